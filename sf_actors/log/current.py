"""Which service a line belongs to: the scope of the context, else that of the thread.

A scope is entered in a context (an actor's thread, a handler, `main`). A thread that user code
starts belongs to the service that started it. The interpreter passes no context on to a thread (an
option from 3.14 on) and a thread does not know who started it; the audit event of a start is raised
from 3.12 on only, and an audit hook stays for ever and slows down every `open` and import. So
`threading.Thread.start` is wrapped, from the first scope that is opened to the last one that is
closed, to leave a note on the thread; not where the interpreter was told to pass contexts on. The
levels and files of the scopes do not matter, since each line names its service. Pools and timers
start such threads too; for one of the bare `_thread` module the home of its logger decides.
"""

from __future__ import annotations

import sys
import threading
import weakref
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Scope(Protocol):
    """What a line belongs to, as a logger needs to know it: `LogScope`."""

    name: str | None
    #: the lowest level of a line that goes anywhere
    threshold: int

    def write(self, level: int, line: dict[str, Any]) -> None:
        """Write a line of that level to where it is wanted."""


WORKFLOW_ID: ContextVar[object] = ContextVar("sf_actors_workflow_id", default=None)
"""The workflow id of what is being handled; it stands in each line."""

SCOPE: ContextVar[Scope | None] = ContextVar("sf_actors_log_scope", default=None)
"""The scope entered in the current context; `current_scope` also asks the thread."""

_NOTE = "_sf_actors_log_scope"

#: Whether a thread begins in the context of who starts it (``-X thread_inherit_context``, 3.14).
_CONTEXTS_ARE_INHERITED = bool(getattr(sys.flags, "thread_inherit_context", False))


def current_scope() -> Scope | None:
    """Return the scope of the current context, else of the thread, else None."""
    scope = SCOPE.get()
    if scope is None:
        noted = threading.current_thread().__dict__.get(_NOTE)
        scope = None if noted is None else noted()
    return scope


class ThreadStartHook:
    """The wrapper of `Thread.start` that is there while scopes are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scopes = 0
        self._wrapper: Callable[..., None] | None = None
        self._wrapped = threading.Thread.start

    def watch(self) -> None:
        """Leave notes on threads from now on; pair it with `unwatch`."""
        with self._lock:
            self._scopes += 1
            if self._wrapper is None and not _CONTEXTS_ARE_INHERITED:
                self._wrapped = threading.Thread.start
                self._wrapper = _noting(self._wrapped)
                threading.Thread.start = self._wrapper  # type: ignore[method-assign]

    def unwatch(self) -> None:
        """Give up one `watch`; the last one takes the wrapper away."""
        with self._lock:
            self._scopes -= 1
            # If somebody else has wrapped it meanwhile, ours stays beneath, and serves again.
            if self._scopes == 0 and threading.Thread.start is self._wrapper:
                threading.Thread.start = self._wrapped  # type: ignore[method-assign]
                self._wrapper = None


def _noting(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def noting(thread: threading.Thread, *args: object, **options: object) -> None:
        scope = current_scope()
        if scope is not None:
            # A weak reference: a thread that outlives its service keeps nothing of it.
            thread.__dict__[_NOTE] = weakref.ref(scope)
        start(thread, *args, **options)

    return noting


THREAD_STARTS = ThreadStartHook()
