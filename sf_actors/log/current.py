"""Finds the service that a line belongs to: the scope of the context, else that of the thread.

A scope is entered in a context: an actor's thread, a handler, `main`. A thread that user code
starts belongs to the service that started it, but a thread does not inherit the context (this is an
option since 3.14) and does not know who started it. The audit event of a start exists only since
3.12, and an audit hook is permanent and slows down every `open` and import. So
`threading.Thread.start` is wrapped while any scope is open, to leave a note on the thread, unless
the interpreter passes contexts on. Pools and timers start such threads too. A thread of the bare
`_thread` module gets no note: its lines belong to the scope in which their logger was made.
"""

from __future__ import annotations

import sys
import threading
import weakref
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable


class Scope(Protocol):
    """The part of `LogScope` that a logger uses."""

    name: str | None
    #: the lowest level that is written anywhere
    threshold: int
    #: the runs of its service
    runs: Runs

    def write(self, level: int, line: dict[str, Any]) -> None:
        """Write a line with a level to the outputs that want it."""


class Runs:
    """The runs of one `Service`: a thread that outlives one belongs to the next.

    The scopes themselves are not kept alive: a thread may outlive its service by far.
    """

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: weakref.ref[Scope] | None = None

    def begin(self, scope: Scope) -> None:
        """Note the scope of another run."""
        self._newest = weakref.ref(scope)

    @property
    def newest(self) -> Scope | None:
        """The scope of the run that began last; None if it is over and gone."""
        return None if self._newest is None else self._newest()


WORKFLOW_ID: ContextVar[object] = ContextVar("sf_actors_workflow_id", default=None)
"""The workflow id of the message that is being handled; each line has it."""

SCOPE: ContextVar[Scope | None] = ContextVar("sf_actors_log_scope", default=None)
"""The scope entered in the current context; `current_scope` also asks the thread."""

_NOTE = "_sf_actors_log_scope"

#: True if threads inherit the context of their starter (``-X thread_inherit_context``, 3.14).
_CONTEXTS_ARE_INHERITED = bool(getattr(sys.flags, "thread_inherit_context", False))


def current_scope() -> Scope | None:
    """Return the scope of the current context, else of the thread, else None."""
    scope = SCOPE.get()
    if scope is None:
        noted: Runs | None = threading.current_thread().__dict__.get(_NOTE)
        scope = None if noted is None else noted.newest
    return scope


class ThreadStartHook:
    """The wrapper of `Thread.start`, installed while scopes are open."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._scopes = 0
        self._wrapper: Callable[..., None] | None = None
        self._wrapped = threading.Thread.start

    def watch(self) -> None:
        """Note the scope on threads from now on; pair with `unwatch`."""
        with self._lock:
            self._scopes += 1
            if self._wrapper is None and not _CONTEXTS_ARE_INHERITED:
                self._wrapped = threading.Thread.start
                self._wrapper = _noting(self._wrapped)
                threading.Thread.start = self._wrapper  # type: ignore[method-assign]

    def unwatch(self) -> None:
        """End one `watch`; the last one removes the wrapper."""
        with self._lock:
            self._scopes -= 1
            # if somebody else has wrapped it meanwhile, ours stays below and is reused
            if self._scopes == 0 and threading.Thread.start is self._wrapper:
                threading.Thread.start = self._wrapped  # type: ignore[method-assign]
                self._wrapper = None


def _noting(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def noting(thread: threading.Thread, *args: object, **options: object) -> None:
        scope = current_scope()
        if scope is not None:
            thread.__dict__[_NOTE] = scope.runs
        start(thread, *args, **options)

    return noting


THREAD_STARTS = ThreadStartHook()
