"""From a call to the fields of a line: structlog's processors, and our own where it has none.

A processor takes the wrapped logger, the name of the level and the fields so far, and returns the
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from structlog.contextvars import merge_contextvars
from structlog.processors import (
    ExceptionRenderer,
    StackInfoRenderer,
    TimeStamper,
    add_log_level,
)
from structlog.stdlib import PositionalArgumentsFormatter

from sf_actors.errors import ServiceStopped
from sf_actors.log.current import WORKFLOW_ID
from sf_actors.log.rendering import guarded
from sf_actors.log.tracebacks import bounded_traceback, whole_traceback
from sf_actors.wording import LONGEST_TEXT, bounded, bounded_repr

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_OURS = ("timestamp", "level", "event", "service")
_format_positional_args = PositionalArgumentsFormatter()
_stamp = TimeStamper("iso")


def take_standard_arguments(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Accept `extra` and `stacklevel` of the standard library; keys of the call override extras."""
    fields.pop("stacklevel", None)
    extra = fields.pop("extra", None)
    if isinstance(extra, Mapping):
        return {**extra, **fields}
    if extra is not None:
        fields["extra"] = extra
    return fields


def keep_names_of_ours(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Append an underscore to a user's key that is named like one of our fields."""
    for name in _OURS:
        if name in fields and name != "event":
            fields[f"{name}_"] = fields.pop(name)
    return fields


def interpolate(home: Any, level: str, fields: EventDict) -> EventDict:
    """Format positional arguments into the event; if they do not fit, keep them as `args`."""
    if not isinstance(fields["event"], str):
        fields["event"] = guarded(str, fields["event"])
    try:
        return _format_positional_args(home, level, fields)
    except ServiceStopped:
        raise
    except Exception:  # noqa: BLE001 - an event that does not fit its arguments is shown with them
        fields["args"] = fields.pop("positional_args")
        return fields


def tell_whose(home: Any, _level: str, fields: EventDict) -> EventDict:
    """Add the service and, if there is one, the workflow id; put these fields first."""
    line = {key: fields.pop(key) for key in ("timestamp", "level", "event")}
    line["service"] = home.scope.name
    line.update(_workflow())
    line.update(fields)
    return line


def _workflow() -> dict[str, object]:
    workflow_id = WORKFLOW_ID.get()
    return {} if workflow_id is None else {"workflow_id": bounded_id(workflow_id)}


def bounded_id(value: object) -> object:
    """Return a workflow id, cut to its beginning as text if it is large: peers choose it."""
    if value is None or (type(value) is str and len(value) <= LONGEST_TEXT):
        return value
    if isinstance(value, str):
        return bounded(value)
    plain = getattr(type(value), "__plain__", None)
    if plain is not None:
        value = guarded(plain, value)
    return value if _room_beside(value, LONGEST_TEXT) >= 0 else guarded(bounded_repr, value)


def _room_beside(value: object, room: int) -> int:
    """Return the room left after a value, below 0 if it does not fit or is no JSON type."""
    if value is None or isinstance(value, bool | float):
        return room - 8
    if isinstance(value, str):
        return room - len(value)
    if isinstance(value, int):
        return room - value.bit_length()
    if not isinstance(value, dict | list | tuple):
        return -1
    # a level costs more than an item, so that deep nesting ends before the stack does
    room -= 32
    if room < 0:
        return room
    items = chain.from_iterable(value.items()) if isinstance(value, dict) else value
    for item in items:
        room = _room_beside(item, room - 2)
        if room < 0:
            break
    return room


def cut_texts(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Cut the texts of the package's own lines, since they may come from peers."""
    for key, value in fields.items():
        if type(value) is str and len(value) > LONGEST_TEXT:
            fields[key] = bounded(value)
    return fields


_FROM_A_CALL: tuple[Processor, ...] = (
    merge_contextvars,
    take_standard_arguments,
    keep_names_of_ours,
    interpolate,
)
_WHOLE: tuple[Processor, ...] = (
    StackInfoRenderer(additional_ignores=["sf_actors.log"]),
    add_log_level,
    _stamp,
    tell_whose,
)

PROCESSORS: tuple[Processor, ...] = (*_FROM_A_CALL, ExceptionRenderer(whole_traceback), *_WHOLE)
"""The pipeline of users' loggers."""

PROCESSORS_OF_THE_PACKAGE: tuple[Processor, ...] = (
    *_FROM_A_CALL,
    cut_texts,
    ExceptionRenderer(bounded_traceback),
    *_WHOLE,
)
"""The pipeline of the package's own lines, which may contain texts of peers."""


def bare_line(level: str, service: str | None, event: object, **fields: object) -> dict[str, Any]:
    """Return a line made without the pipeline, which failed or must not be used."""
    line = {"level": level, "event": guarded(str, event), "service": service}
    return {
        **_stamp(None, level, {}),
        **line,
        **_workflow(),
        **fields,
    }
