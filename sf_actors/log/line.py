"""From a call to the fields of a line: structlog's processors, and ours where it has none.

A processor takes the wrapped logger, the name of the level and the fields so far, and returns the
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from structlog.contextvars import merge_contextvars
from structlog.processors import (
    StackInfoRenderer,
    TimeStamper,
    add_log_level,
    format_exc_info,
)
from structlog.stdlib import PositionalArgumentsFormatter

from sf_actors.errors import ServiceStopped
from sf_actors.log.belonging import WORKFLOW_ID
from sf_actors.log.rendering import guarded

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_OURS = ("timestamp", "level", "event", "service")
_format_positional_args = PositionalArgumentsFormatter()
_stamp = TimeStamper("iso")


def take_standard_arguments(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Take `extra` and `stacklevel` as the standard library does; a given key replaces an extra."""
    fields.pop("stacklevel", None)
    extra = fields.pop("extra", None)
    if isinstance(extra, Mapping):
        return {**extra, **fields}
    if extra is not None:
        fields["extra"] = extra
    return fields


def keep_names_of_ours(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Append an underscore to a key of the user that bears the name of a field of ours."""
    for name in _OURS:
        if name in fields and name != "event":
            fields[f"{name}_"] = fields.pop(name)
    return fields


def interpolate(home: Any, level: str, fields: EventDict) -> EventDict:
    """Put positional arguments into the event; what does not fit stands beside it as `args`."""
    if not isinstance(fields["event"], str):
        fields["event"] = guarded(str, fields["event"])
    try:
        return _format_positional_args(home, level, fields)
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - a line that does not fit its arguments is shown with them
        fields["args"] = fields.pop("positional_args")
        return fields


def tell_whose(home: Any, _level: str, fields: EventDict) -> EventDict:
    """Add the service and the workflow id, and put first what every line has."""
    line = {key: fields.pop(key) for key in ("timestamp", "level", "event")}
    line["service"] = home.scope.name
    line["workflow_id"] = WORKFLOW_ID.get()
    line.update(fields)
    return line


PROCESSORS: tuple[Processor, ...] = (
    merge_contextvars,
    take_standard_arguments,
    keep_names_of_ours,
    interpolate,
    format_exc_info,
    StackInfoRenderer(additional_ignores=["sf_actors.log"]),
    add_log_level,
    _stamp,
    tell_whose,
)
"""The pipeline of every logger."""


def bare_line(level: str, service: str | None, event: object, **fields: object) -> dict[str, Any]:
    """Return a line that passes by the pipeline, which could not make it or is not to."""
    line = {"level": level, "event": guarded(str, event), "service": service}
    return {**_stamp(None, level, {}), **line, "workflow_id": WORKFLOW_ID.get(), **fields}
