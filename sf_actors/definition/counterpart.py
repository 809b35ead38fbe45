"""The other side's model of a connection or state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import ModelError
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIRS: Final = (
    ("replyer", "requester"),
    ("publisher", "subscriber"),
    ("delta_update_out", "delta_update_in"),
    ("full_update_out", "full_update_in"),
)
#: The types that have the same name on both sides.
_OF_EITHER_SIDE: Final = (
    "delta_update",
    "full_update",
    "local_variable_delta_update",
    "local_variable_full_update",
)
_OTHERS: Final[dict[str, str]] = {
    **dict(_PAIRS),
    **{other: one for one, other in _PAIRS},
    **{name: name for name in _OF_EITHER_SIDE},
}
_ALONE: Final = ("timer", "external_target", "external_request")
_TYPES: Final = ("connection_type", "state_type")
_CREATION: Final = ("required_creation_arguments", "optional_creation_arguments")


def counterpart(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other side's model of a connection or state, to which its user adds a handler.

    It has the same fields, and of the creation arguments only the topic, as an optional one.

    :param model: as written in a service file
    :returns: a new dict, which may be changed; any thread
    :raises ModelError: it is not a model, or a timer or external target, which has no other side
    """
    if not isinstance(model, Mapping):
        raise ModelError(f"counterpart: expected a model, got {shown(model)}")
    key = next((key for key in _TYPES if key in model), None)
    if key is None:
        raise ModelError(
            "counterpart: expected a model with 'connection_type' or 'state_type', got "
            f"{shown(dict(model))}"
        )
    type_ = model[key]
    if type_ in _ALONE:
        raise ModelError(f"counterpart: a model of type {type_!r} has no other side")
    if type_ not in _OTHERS:
        raise ModelError(
            f"counterpart: expected one of {', '.join(_OTHERS)} as {key!r}, got {shown(type_)}"
            f"{nearest(type_, _OTHERS)}"
        )
    other: dict[str, Any] = {key: _OTHERS[type_]}
    for name, given in model.items():
        if name != key and name not in _CREATION:
            other[name] = dict(given) if isinstance(given, Mapping) else given
    for topic in _topics(model):
        other["optional_creation_arguments"] = {"topic": topic}
    return other


def _topics(model: Mapping[str, Any]) -> Iterator[object]:
    for key in _CREATION:
        given = model.get(key)
        if isinstance(given, Mapping) and given.get("topic") is not None:
            yield given["topic"]
