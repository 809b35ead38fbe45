"""`get_logger`: structlog's bound logger, which also takes the standard library's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog import BoundLoggerBase

from sf_actors.errors import ServiceStopped
from sf_actors.log.level import CRITICAL, DEBUG, ERROR, INFO, OFF, WARNING, level_name, parse_level
from sf_actors.log.line import bare_line
from sf_actors.log.pipeline import PROCESSORS
from sf_actors.log.rendering import guarded
from sf_actors.log.writing import ScopeLookup, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def get_logger(*names: object, **initial_values: object) -> Logger:
    """Return a logger; any thread, at any time, even before there is a service.

    :param names: the first one is bound as `logger`, as usual with ``get_logger(__name__)``
    :param initial_values: fields of all its lines
    """
    return _logger_with({"logger": names[0], **initial_values} if names else initial_values)


def _logger_with(context: dict[str, Any]) -> Logger:
    return Logger(ScopeLookup(), PROCESSORS, context)


def _awaitable(method: Callable[..., None]) -> Callable[..., Coroutine[Any, Any, None]]:
    async def call(*args: object, **fields: object) -> None:
        method(*args, **fields)

    return call


class Logger(BoundLoggerBase):
    """A structlog logger that also takes the standard library's calls; immutable, any thread.

    ``LOG.info('got', price=x)`` and ``LOG.info('got %s', x)`` both work, as do `exc_info`,
    `stack_info` and `extra`. A line below the service's levels is not formatted. `bind`, `unbind`
    and `try_unbind` are structlog's.
    """

    _logger: ScopeLookup

    def __reduce__(self) -> tuple[object, ...]:
        return _logger_with, (self._context,)

    def new(self, **new_values: Any) -> Logger:
        """Return a logger with only these fields; structlog's own `new` would clear this one's."""
        return self.try_unbind(*self._context).bind(**new_values)

    debug = writing(DEBUG)
    info = msg = writing(INFO)
    warning = warn = writing(WARNING)
    error = err = writing(ERROR)
    critical = fatal = writing(CRITICAL)

    def exception(self, /, event: object = None, *args: object, **fields: object) -> None:
        """Write a line of level error with the traceback of the current exception."""
        fields.setdefault("exc_info", True)
        self.error(event, *args, **fields)

    def log(
        self, /, level: int | str, event: object = None, *args: object, **fields: object
    ) -> None:
        """Write a line of a level given as a number, as in `logging`, or a name."""
        number = parse_level(level, where="level")
        if self.get_effective_level() <= number < OFF:
            self._write(number, event, args, fields)

    adebug = _awaitable(debug)
    ainfo = amsg = _awaitable(info)
    awarning = awarn = _awaitable(warning)
    aerror = _awaitable(error)
    acritical = afatal = _awaitable(critical)
    aexception = _awaitable(exception)
    alog = _awaitable(log)

    def is_enabled_for(self, level: int | str) -> bool:
        """Return True if the caller's service writes lines of this level anywhere."""
        return self.get_effective_level() <= parse_level(level, where="level")

    def get_effective_level(self) -> int:
        """Return the lowest level that the caller's service writes anywhere, as a number."""
        return self._logger.scope.threshold

    isEnabledFor = is_enabled_for  # noqa: N815 - the name is the standard library's
    getEffectiveLevel = get_effective_level  # noqa: N815 - likewise

    def _write(
        self, level: int, event: object, args: tuple[object, ...], fields: dict[str, Any]
    ) -> None:
        name = level_name(level)
        if args:
            fields["positional_args"] = args
        try:
            # not _proxy_to_logger: a user's field may be named like one of its parameters
            line: Any = self._process_event(name, "" if event is None else event, fields)[1]  # type: ignore[arg-type]
        except ServiceStopped:
            raise
        except Exception as fault:  # noqa: BLE001 - logging never raises in user code
            service = self._logger.scope.name
            line = bare_line(name, service, event, log_error=guarded(repr, fault))
        self._logger.scope.write(level, line)
