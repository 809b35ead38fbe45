"""The processors from a call to the fields of a line: structlog's, and our own.

A processor takes the wrapped logger, the name of the level and the fields so far, and returns the
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from structlog.contextvars import merge_contextvars
from structlog.processors import ExceptionRenderer, StackInfoRenderer
from structlog.stdlib import PositionalArgumentsFormatter

from sf_actors.errors import ServiceStopped
from sf_actors.log.line import head_of, with_names_of_ours_kept
from sf_actors.log.rendering import guarded
from sf_actors.log.tracebacks import whole_traceback

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_format_positional_args = PositionalArgumentsFormatter()


def take_standard_arguments(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Accept the standard library's `extra` and `stacklevel`; keys of the call override `extra`."""
    fields.pop("stacklevel", None)
    extra = fields.pop("extra", None)
    if isinstance(extra, Mapping):
        return {**extra, **fields}
    if extra is not None:
        fields["extra"] = extra
    return fields


def keep_names_of_ours(_home: Any, _level: str, fields: EventDict) -> EventDict:
    """Append an underscore to a user's key that is named like one of our fields."""
    return with_names_of_ours_kept(fields)


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


def add_head(home: Any, level: str, fields: EventDict) -> EventDict:
    """Put the fields of every line in front."""
    return {**head_of(level, fields.pop("event"), home.scope.name), **fields}


PROCESSORS: tuple[Processor, ...] = (
    merge_contextvars,
    take_standard_arguments,
    keep_names_of_ours,
    interpolate,
    ExceptionRenderer(whole_traceback),
    StackInfoRenderer(additional_ignores=["sf_actors.log"]),
    add_head,
)
"""The pipeline of users' loggers."""
