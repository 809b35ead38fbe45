"""Writes records of the standard library's `logging` as lines of services.

A program asks for this with `log_standard_library`; the command line does it by itself. A handler
of the root logger writes each record as a line of the service that it belongs to, by that service's
levels. The level of the root logger is set to the lowest of all these levels. An exception that
ends a thread becomes a line as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import ServiceStopped
from sf_actors.log.current import current_scope
from sf_actors.log.open_scopes import OPEN_SCOPES
from sf_actors.log.scope import NOT_A_SERVICE
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sf_actors.log.current import Scope
    from sf_actors.log.logger import Logger

#: The attributes of every record; all others come from `extra`.
_OF_EVERY_RECORD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class LineRecord(logging.LogRecord):
    """A record that was made from a line, and must not become a line again."""

    line: dict[str, Any]


class _Fixed:
    """The object that a logger wraps if its scope is known."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope


class ServiceHandler(logging.Handler):
    """Writes records as lines of the service in whose context or thread they were made.

    :ivar owner: the scope of all other records
    """

    def __init__(self) -> None:
        super().__init__()
        self.owner: Scope = NOT_A_SERVICE
        self._here = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record without the usual lock: a stuck console must not block all threads."""
        kept = self.filter(record)
        if kept:
            # since Python 3.12 a filter may return another record
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it is pykka's or below the levels of its service."""
        scope = current_scope() or self.owner
        is_ours = isinstance(record, LineRecord) or record.name.partition(".")[0] == "pykka"
        # `is_writing`: standard error may be an object that logs what is written to it
        if is_ours or record.levelno < scope.threshold or hasattr(self._here, "is_writing"):
            return
        self._here.is_writing = True
        try:
            _write(scope, record)
        finally:
            del self._here.is_writing


def _write(scope: Scope, record: logging.LogRecord) -> None:
    # attributes with a leading underscore are private to a library, such as Ray
    extra = {
        name: value
        for name, value in vars(record).items()
        if name not in _OF_EVERY_RECORD and not name.startswith("_")
    }
    fields: dict[str, Any] = {"extra": extra}
    if record.exc_info and record.exc_info[1] is not None:
        fields["exc_info"] = record.exc_info
    if record.stack_info:
        fields["stack"] = record.stack_info
    args = record.args or ()
    logger = _logger_of(scope, logger=record.name)
    # a record keeps a single mapping argument without its tuple
    args = (args,) if isinstance(args, Mapping) else args
    logger.log(max(0, record.levelno), record.msg, *args, **fields)


def _logger_of(scope: Scope, **fields: object) -> Logger:
    from sf_actors.log.logger import Logger  # noqa: PLC0415 - imports structlog
    from sf_actors.log.pipeline import PROCESSORS  # noqa: PLC0415

    return Logger(_Fixed(scope), PROCESSORS, fields)


class StandardLibrary:
    """Installs and removes the handler and the thread hook; any thread."""

    def __init__(self) -> None:
        self._lock = new_rlock()
        self._handler: ServiceHandler | None = None
        self._owns_process = False
        self._level = logging.WARNING
        self._hook: Callable[[threading.ExceptHookArgs], object] = threading.__excepthook__

    def begin(self, *, owns_process: bool = False) -> bool:
        """Write records as lines from now on.

        :param owns_process: records from outside any service belong to the newest service
        :returns: False if it was already on
        """
        with self._lock:
            if self._handler is not None:
                return False
            root = logging.getLogger()
            self._handler, self._owns_process = ServiceHandler(), owns_process
            self._level = root.level
            root.addHandler(self._handler)
            OPEN_SCOPES.follow(self._follow)
            self._hook = threading.excepthook
            threading.excepthook = self._thread_failed
            return True

    def end(self) -> None:
        """Stop writing records and exceptions of threads as lines."""
        with self._lock:
            handler, self._handler = self._handler, None
            if handler is None:
                return
            OPEN_SCOPES.follow(None)
            root = logging.getLogger()
            root.removeHandler(handler)
            root.setLevel(self._level)
            # a hook that wraps ours stays, and ours then only calls the previous one
            if threading.excepthook == self._thread_failed:
                threading.excepthook = self._hook

    @contextmanager
    def owning_process(self) -> Iterator[None]:
        """Write records as lines while the block runs, in a process that runs one service."""
        is_ours = self.begin(owns_process=True)
        try:
            yield
        finally:
            if is_ours:
                self.end()

    def _follow(self, scopes: Sequence[Scope]) -> None:
        handler = self._handler
        if handler is None:
            return
        if self._owns_process and scopes:
            handler.owner = scopes[-1]
        lowest = min((scope.threshold for scope in scopes), default=handler.owner.threshold)
        lowest = min(lowest, handler.owner.threshold)
        logging.getLogger().setLevel(min(lowest, self._level))

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        handler = self._handler
        if handler is not None and not issubclass(args.exc_type, SystemExit | ServiceStopped):
            error = args.exc_value or args.exc_type()
            logger = _logger_of(current_scope() or handler.owner)
            name = args.thread.name if args.thread is not None else None
            logger.error(
                "thread failed", thread=name, exc_info=(args.exc_type, error, args.exc_traceback)
            )
        if handler is None or self._hook is not threading.__excepthook__:
            self._hook(args)


STANDARD_LIBRARY: Final = StandardLibrary()


def log_standard_library() -> None:
    """Write records of `logging`, and tracebacks of threads, as lines of services; any thread.

    A record goes to the console and file of the service in which it was made, by its levels; a
    record from outside any service goes to the console. This lasts as long as the process. The
    command line does it by itself.
    """
    STANDARD_LIBRARY.begin()
