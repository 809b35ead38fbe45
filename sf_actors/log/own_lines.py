"""The logger for the package's own lines, without structlog."""

from __future__ import annotations

import sys
from typing import Any

from sf_actors.errors import ServiceStopped
from sf_actors.log.level import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_name
from sf_actors.log.line import (
    bare_line,
    bound_by_user,
    head_of,
    with_names_of_ours_kept,
    with_texts_cut,
)
from sf_actors.log.rendering import guarded
from sf_actors.log.tracebacks import bounded_traceback
from sf_actors.log.writing import ScopeLookup, writing


class PackageLogger:
    """Writes lines like a user's logger, but cuts texts and tracebacks; any thread.

    Its events are texts without arguments.
    """

    __slots__ = ("_logger",)

    def __init__(self) -> None:
        self._logger = ScopeLookup()

    debug = writing(DEBUG)
    info = writing(INFO)
    warning = writing(WARNING)
    error = writing(ERROR)
    critical = writing(CRITICAL)

    def exception(self, event: str, **fields: object) -> None:
        """Write a line of level error with the traceback of the current exception."""
        self.error(event, **{"exc_info": True, **fields})

    def _write(
        self, level: int, event: str, _args: tuple[object, ...], fields: dict[str, Any]
    ) -> None:
        scope, name = self._logger.scope, level_name(level)
        try:
            raised = _raised(fields.pop("exc_info", None))
            line = head_of(name, event, scope.name)
            fields = {"event": event, **fields}
            for key, value in bound_by_user().items():
                fields.setdefault(key, value)
            line.update(with_texts_cut(with_names_of_ours_kept(fields)))
            if raised is not None:
                line["exception"] = bounded_traceback(raised)
        except ServiceStopped:
            raise
        except Exception as fault:  # noqa: BLE001 - logging never raises
            line = bare_line(name, scope.name, event, log_error=guarded(repr, fault))
        scope.write(level, line)


def package_logger() -> PackageLogger:
    """Return a logger for the package's own lines; it cuts texts, since peers may have sent them.

    Lines that peers can cause repeatedly also need a `Throttle`.
    """
    return PackageLogger()


def _raised(given: Any) -> Any:
    """Return the type, exception and traceback that `exc_info` means; None if there is none."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if given is True:
        given = sys.exc_info()
    return given if given and given[1] is not None else None
