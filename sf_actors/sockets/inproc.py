"""Keeps track of the inproc addresses that are bound in this process, which libzmq does not report.

A connection to an unbound address would wait there with all messages sent through it, and one whose
other side is closed is never made again.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

_numbers: Final = count(1)
_bound: Final[dict[str, int]] = {}
_callbacks: Final[dict[str, tuple[Callable[[], object], ...]]] = {}
_callbacks_lock: Final = new_lock()


def note_bound(name: str) -> None:
    """Note that a socket was bound; any thread."""
    _bound[name] = next(_numbers)


def note_unbound(name: str) -> None:
    """Note that an address is no longer bound; any thread."""
    _bound.pop(name, None)


def bound(name: str) -> int | None:
    """Return a number that is unique for the socket bound now, or None; any thread."""
    return _bound.get(name)


def add_callback(name: str, function: Callable[[], object]) -> None:
    """Call a function each time an address is free again, in the thread that frees it.

    A socket that connects then waits for the next socket that is bound there. Any thread.
    """
    with _callbacks_lock:
        _callbacks[name] = (*_callbacks.get(name, ()), function)


def remove_callback(name: str, function: Callable[[], object]) -> None:
    """Stop calling a function; any thread."""
    with _callbacks_lock:
        left = tuple(other for other in _callbacks.get(name, ()) if other is not function)
        if left:
            _callbacks[name] = left
        else:
            _callbacks.pop(name, None)


def note_free(name: str) -> None:
    """Note that an address is free again; any thread."""
    for callback in _callbacks.get(name, ()):
        callback()
