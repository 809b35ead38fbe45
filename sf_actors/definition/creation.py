"""The creation arguments of models: names, allowed values and defaults."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from sf_actors.definition.target import resolve_target
from sf_actors.errors import ModelError
from sf_actors.sync.seconds import EXPECTED, is_seconds
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.definition.model_types import ModelType

_REQUIRED: Final = object()
_MIB: Final = 1024 * 1024
#: The most handlers of one model that run at once, each in a thread.
MAX_WORKERS: Final = 256

_IN_STATES = ("delta_update_in", "full_update_in")
_OUT_STATES = ("delta_update_out", "full_update_out")
_STATES = (*_IN_STATES, *_OUT_STATES)
_PUBLISHERS = ("publisher", *_OUT_STATES)
_SUBSCRIBERS = ("subscriber", *_IN_STATES)
_WITH_SOCKETS = ("replyer", "requester", *_PUBLISHERS, *_SUBSCRIBERS)


class _Expected(Struct, frozen=True):
    """What a value must be; None is also accepted if it is the default."""

    text: str
    accepts: Callable[[Any], bool]


class Given(Struct, frozen=True):
    """The given value of a creation argument, and its place for messages."""

    value: Any
    where: str


def _is_text(value: Any) -> bool:
    """Return True for a text that UTF-8 can encode: one without lone surrogates."""
    return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_TEXT = _Expected("a text without lone surrogates", _is_text)
_FLAG = _Expected("True or False", lambda value: isinstance(value, bool))
_SECONDS = _Expected(EXPECTED, is_seconds)
_DEADLINE = _Expected(f"{EXPECTED}, but above 0", lambda value: is_seconds(value) and value > 0)
_COUNT = _Expected("a whole number from 0 to 2**31 - 1", lambda v: _is_count(v) and v < 2**31)
_QUEUE = _Expected("a whole number from 1 to 2**31 - 1", lambda v: _is_count(v) and 1 <= v < 2**31)
_SIZE = _Expected("a whole number from 1 to 2**63 - 1", lambda v: _is_count(v) and 1 <= v < 2**63)
_UNKNOWN = _Expected("'ignore' or 'refuse'", lambda value: value in ("ignore", "refuse"))
_FUNCTION = _Expected("a function", callable)
_NAME = _Expected("the name of a required field", lambda value: isinstance(value, str))
_WORKERS = _Expected(
    f"a whole number from 0 to {MAX_WORKERS}", lambda v: _is_count(v) and v <= MAX_WORKERS
)
_TARGET = _Expected(
    "a callable, or a text such as 'package.module.Class.method'",
    lambda value: isinstance(value, str) or callable(value),
)

# argument -> (what it must be, {type of model: default})
_TABLE: dict[str, tuple[_Expected, dict[str, Any]]] = {
    "store": (_TEXT, dict.fromkeys(_OUT_STATES)),
    "topic": (_TEXT, dict.fromkeys(("publisher", "subscriber", *_STATES))),
    "unknown_fields": (_UNKNOWN, dict.fromkeys(_WITH_SOCKETS, "ignore")),
    "is_x_pub": (_FLAG, dict.fromkeys(_PUBLISHERS, False)),
    "is_x_sub": (_FLAG, dict.fromkeys(_SUBSCRIBERS, False)),
    "is_binder": (_FLAG, dict.fromkeys(("subscriber", "full_update_in"), False)),
    "wait_after_creation_s": (_SECONDS, {"publisher": 0.15, **dict.fromkeys(_OUT_STATES, 0.0)}),
    "timeout_s": (_DEADLINE, {"requester": 5.0, "external_target": None}),
    "target": (_TARGET, {"external_target": _REQUIRED}),
    "retries": (_COUNT, {"requester": 0}),
    "by": (_NAME, {"requester": None}),
    "workers": (_WORKERS, dict.fromkeys(("replyer", "subscriber"), 0)),
    "ordered_by": (_NAME, dict.fromkeys(("replyer", "subscriber"))),
    "catch_up_s": (_SECONDS, {"requester": 1.0, "replyer": 1.0}),
    "idempotent": (_FLAG, {"requester": False}),
    "deduplicate": (_FLAG, {"replyer": False}),
    "high_water_mark": (_QUEUE, dict.fromkeys(_WITH_SOCKETS, 1000)),
    "max_message_bytes": (_SIZE, dict.fromkeys(_WITH_SOCKETS, 64 * _MIB)),
    "digest": (_FLAG, {"delta_update_out": False}),
    "heartbeat_s": (_DEADLINE, dict.fromkeys(_STATES, 1.0)),
    "stale_after_s": (_DEADLINE, dict.fromkeys(_STATES, 3.0)),
    "every_s": (_DEADLINE, {"timer": _REQUIRED}),
    "at_start": (_FLAG, {"timer": False}),
    "on_status": (_FUNCTION, dict.fromkeys(_IN_STATES)),
}
_SPELLINGS = {"func_to_call": "target"}


@cache
def _defaults_of(type_name: str) -> dict[str, Any]:
    """Return the default of each argument that models of a type have."""
    return {
        name: defaults[type_name] for name, (_, defaults) in _TABLE.items() if type_name in defaults
    }


_MUST_HAVE_HANDLER = ("replyer", "subscriber", "timer")


def takes(type_: ModelType, name: object, value: object) -> bool:
    """Return True if models of this type have the argument, from the table or as a handler."""
    if not isinstance(name, str):
        return False
    known = _SPELLINGS.get(name, name)
    if known in _TABLE:
        return type_.name in _TABLE[known][1]
    return type_.side == "in" and callable(value)


def named(given: Mapping[Any, Any], *, where: str) -> dict[str, Given]:
    """Return one dict of creation arguments, by the names of the table.

    :raises ModelError: a key is not a text, or two spellings of one name are given
    """
    found: dict[str, Given] = {}
    for written, value in given.items():
        if not isinstance(written, str):
            raise ModelError(f"{where}: expected creation arguments by name, got {shown(written)}")
        name = _SPELLINGS.get(written, written)
        if name in found:
            raise ModelError(f"{where}: expected one of {name!r} and {written!r}, got both")
        found[name] = Given(value, f"{where}[{written!r}]")
    return found


def checked(
    type_: ModelType, given: Mapping[str, Given], names: Mapping[str, object], *, where: str
) -> tuple[dict[str, Any], Callable[..., Any] | None]:
    """Return the creation arguments, with their defaults, and the handler.

    :param given: by the names of the table (`named`)
    :param names: the names defined in the service file, for a target given as text
    :raises ModelError: an argument unknown to the type, an invalid value, several handlers, a
        missing handler, or a target that is not found
    """
    handlers = [name for name, item in given.items() if name not in _TABLE and callable(item.value)]
    for name, item in given.items():
        if name in handlers and type_.side == "in":
            continue
        _check(type_, name, item)
    creation = dict(_defaults_of(type_.name))
    for name, item in given.items():
        if name in creation:
            creation[name] = item.value
    for name, value in creation.items():
        if value is _REQUIRED:
            raise ModelError(f"{where}: the creation argument {name!r} is missing")
    if creation.get("is_binder") and creation.get("is_x_sub"):
        raise ModelError(
            f"{where}: expected one of 'is_binder' and 'is_x_sub', got both: "
            "a model that binds for publishers cannot connect to a bus"
        )
    if creation.get("ordered_by") is not None and not creation["workers"]:
        raise ModelError(
            f"{given['ordered_by'].where}: expected 'workers' as well, got none: "
            "without them all messages stay in order"
        )
    if "target" in creation:
        creation["target"] = resolve_target(creation["target"], names, where=given["target"].where)
    return creation, _handler(type_, given, handlers, where)


def _check(type_: ModelType, name: str, item: Given) -> None:
    if name not in _TABLE:
        ours = [known for known, (_, defaults) in _TABLE.items() if type_.name in defaults]
        spellings = [written for written, known in _SPELLINGS.items() if known in ours]
        reason = f"a {type_.name} has no creation argument {name!r}"
        if callable(item.value):
            reason += ", and an outbound model no handler"
        elif type_.side == "in":
            reason += f"; a handler would be a function, got {shown(item.value)}"
        raise ModelError(f"{item.where}: {reason}{nearest(name, [*ours, *spellings])}")
    expected, defaults = _TABLE[name]
    if type_.name not in defaults:
        raise ModelError(
            f"{item.where}: a {type_.name} has no creation argument {name!r}, "
            f"only {', '.join(defaults)} has it"
        )
    is_unset = item.value is None and defaults[type_.name] is None
    if not is_unset and not expected.accepts(item.value):
        raise ModelError(f"{item.where}: expected {expected.text}, got {shown(item.value)}")


def _handler(
    type_: ModelType, given: Mapping[str, Given], handlers: list[str], where: str
) -> Callable[..., Any] | None:
    if len(handlers) > 1:
        raise ModelError(
            f"{where}: expected one function as the handler, got {len(handlers)}: "
            f"{', '.join(map(repr, handlers))}{_argument_meant(type_, handlers)}"
        )
    if handlers:
        function: Callable[..., Any] = given[handlers[0]].value
        return function
    if type_.name in _MUST_HAVE_HANDLER:
        raise ModelError(
            f"{where}: a {type_.name} needs a handler: a function among its creation arguments, "
            "such as 'on_new_message': on_new_message"
        )
    return None


def _argument_meant(type_: ModelType, handlers: list[str]) -> str:
    functions = [name for name in ("on_status",) if type_.name in _TABLE[name][1]]
    hints = [nearest(name, functions) for name in handlers]
    return next(filter(None, hints), "")
