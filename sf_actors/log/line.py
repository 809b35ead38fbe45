"""The fields of every line, and the bounds of their values; without structlog.

Structlog takes longer to import than everything else that a service needs. Its processors are in
`pipeline`, for the loggers of users.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from sf_actors.log.current import WORKFLOW_ID
from sf_actors.log.rendering import guarded
from sf_actors.wording import LONGEST_TEXT, bounded, bounded_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = ("timestamp", "level", "event", "service")
"""The fields that every line has, at its beginning."""


def head_of(level: str, event: str, service: str | None) -> dict[str, Any]:
    """Return the first fields of a line: timestamp, level, event, service and workflow id."""
    return {
        # in the format of structlog's TimeStamper
        "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z",
        "level": level,
        "event": event,
        "service": service,
        **workflow(),
    }


def bound_by_user() -> Mapping[str, Any]:
    """Return the fields that user code has bound with structlog's context variables."""
    module = sys.modules.get("structlog.contextvars")
    # another thread may be importing it just now: then nobody has bound anything yet
    bound = getattr(module, "get_contextvars", None)
    return {} if bound is None else bound()


def with_names_of_ours_kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields, with an underscore appended to names that are ours."""
    return {
        f"{name}_" if name in OURS and name != "event" else name: value
        for name, value in fields.items()
    }


def with_texts_cut(fields: dict[str, Any]) -> dict[str, Any]:
    """Cut the texts of the package's own lines, since they may come from peers."""
    for key, value in fields.items():
        if type(value) is str and len(value) > LONGEST_TEXT:
            fields[key] = bounded(value)
    return fields


def workflow() -> dict[str, object]:
    """Return the workflow id of the context as a field, if there is one."""
    workflow_id = WORKFLOW_ID.get()
    return {} if workflow_id is None else {"workflow_id": bounded_id(workflow_id)}


def bounded_id(value: object) -> object:
    """Return a workflow id, or a cut text of it if it is large, since peers choose it."""
    if value is None or (type(value) is str and len(value) <= LONGEST_TEXT):
        return value
    if isinstance(value, str):
        return bounded(value)
    plain = getattr(type(value), "__plain__", None)
    if plain is not None:
        value = guarded(plain, value)
    return value if _room_beside(value, LONGEST_TEXT) >= 0 else guarded(bounded_repr, value)


def _room_beside(value: object, room: int) -> int:
    """Return the room left after a value, below 0 if it does not fit or is not a JSON type."""
    if value is None or isinstance(value, bool | float):
        return room - 8
    if isinstance(value, str):
        return room - len(value)
    if isinstance(value, int):
        return room - value.bit_length()
    if not isinstance(value, dict | list | tuple):
        return -1
    # a level costs more than an item, so that deep nesting ends before the stack overflows
    room -= 32
    if room < 0:
        return room
    items = chain.from_iterable(value.items()) if isinstance(value, dict) else value
    for item in items:
        room = _room_beside(item, room - 2)
        if room < 0:
            break
    return room


def bare_line(level: str, service: str | None, event: object, **fields: object) -> dict[str, Any]:
    """Return a line that did not go through the pipeline, which failed or must not be used."""
    return {**head_of(level, guarded(str, event), service), **fields}
