"""Compares the JSON Schemas of both sides: finds what a sender may send but a receiver not take.

The rules are those of the wire, not of JSON Schema: a float takes an int, a str takes a Decimal, an
Enum is taken by the type of its values or by an Enum or Literal with all of them, a record by its
fields, however they are declared. A Decimal never takes a text, nor a record a mapping.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from sf_actors.schema.json_schema import BOUNDS, KEYS, TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sf_actors.schema.json_schema import Node

#: Types that are sent as text.
_AS_TEXT: Final = frozenset({"Decimal", "UUID", "date", "datetime", "time", "timedelta"})
_TEXT_KEY: Final[Node] = {"type": "string", TYPE: "str"}
_ANYTHING: Final[Node] = {TYPE: "object"}


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A place whose values the receiver may not take.

    :ivar path: the path from the message's fields on: ``bids{}.price``
    :ivar expected: the type that the receiver expects, as a text
    :ivar got: the type that the sender sends, as a text
    :ivar is_certain: False if only some values are not taken: the place is undeclared at the
        sender, or bounded more tightly at the receiver
    """

    path: str
    expected: str
    got: str
    is_certain: bool = True

    def __str__(self) -> str:
        return f"{self.path or 'the value'}: {self.expected} is expected, {self.got} comes"


def incompatibilities(receiver: Node, sender: Node, path: str = "") -> Iterator[Incompatibility]:
    """Yield the places whose values a sender may send but the receiver does not take."""
    if _is_open(receiver):
        return
    if _is_open(sender):
        yield Incompatibility(path, _type(receiver), "anything", is_certain=False)
        return
    if "anyOf" in sender:
        for member in sender["anyOf"]:
            yield from incompatibilities(receiver, member, path)
        return
    if "anyOf" in receiver:
        yield from _by_a_member(receiver, sender, path)
        return
    kinds = _kind(receiver), _kind(sender)
    rule = _RULES.get(kinds)
    if rule is None:
        yield _mismatch(receiver, sender, path)
        return
    yield from rule(receiver, sender, path)
    bounds = receiver.get(BOUNDS, {})
    if "enum" in sender:
        is_within = all(_holds(bounds, value) for value in sender["enum"])
    else:
        is_within = _is_within(bounds, sender.get(BOUNDS, {}))
    if not is_within:
        yield Incompatibility(path, _type(receiver), _type(sender), is_certain=False)


def _by_a_member(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    """Yield why no member of a union takes it, preferably a member that takes some values."""
    # each value of an Enum or Literal may be taken by another member
    parts = [{**sender, "enum": [value]} for value in sender.get("enum", ())] or [sender]
    for part in parts:
        tries = [list(incompatibilities(member, part, path)) for member in receiver["anyOf"]]
        if all(tries):
            doubtful = [found for found in tries if not any(one.is_certain for one in found)]
            yield from doubtful[0] if doubtful else [_mismatch(receiver, sender, path)]
            return


def _by_scalar(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    wanted, given = _scalar(receiver), _scalar(sender)
    if not _takes_scalar(wanted, given):
        yield _mismatch(receiver, sender, path)
    elif given == "datetime" != wanted and sender.get(BOUNDS, {}).get("tz") is True:
        got = f"{_type(sender)}, which is a timestamp, not a text, with its zone"
        yield Incompatibility(path, _type(receiver), got)


def _enum_by_scalar(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    wanted = _scalar(receiver)
    if not all(_takes_scalar(wanted, _name_of(value)) for value in sender["enum"]):
        yield _mismatch(receiver, sender, path)


def _enum_by_enum(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    known = {(type(value), value) for value in receiver["enum"]}
    more = [value for value in sender["enum"] if (type(value), value) not in known]
    if more:
        got = f"{', '.join(map(repr, more))} of {_type(sender)} as well"
        yield Incompatibility(path, _type(receiver), got)


def _items_by_items(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    wanted, given = receiver["items"], sender["items"]
    if not isinstance(wanted, list):
        for item in given if isinstance(given, list) else [given]:
            yield from incompatibilities(wanted, item, f"{path}[]")
    elif not isinstance(given, list) or len(given) != len(wanted):
        yield _mismatch(receiver, sender, path)
    else:
        for number, (one, other) in enumerate(zip_longest(wanted, given)):
            yield from incompatibilities(one, other, f"{path}[{number}]")


def _record_by_record(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    wanted, given = receiver.get("properties", {}), sender.get("properties", {})
    sure = sender.get("required", ())
    for name, part in wanted.items():
        place = f"{path}.{name}" if path else name
        if name in given:
            yield from incompatibilities(part, given[name], place)
        if name in receiver.get("required", ()) and name not in sure:
            got = "an optional one" if name in given else "none"
            yield Incompatibility(place, f"a required field ({_type(part)})", got)
    if receiver.get("additionalProperties") is False:
        for name in given:
            if name not in wanted:
                yield Incompatibility(f"{path}.{name}" if path else name, "no such field", "one")


def _record_by_mapping(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    yield from incompatibilities(receiver.get(KEYS, _TEXT_KEY), _TEXT_KEY, f"a key of {path}")
    for name, part in sender.get("properties", {}).items():
        yield from incompatibilities(receiver["additionalProperties"], part, f"{path}.{name}")


def _mapping_by_mapping(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    yield from incompatibilities(_keys(receiver), _keys(sender), f"a key of {path}")
    yield from incompatibilities(
        receiver["additionalProperties"], sender["additionalProperties"], f"{path}{{}}"
    )


def _mapping_by_record(receiver: Node, sender: Node, path: str) -> Iterator[Incompatibility]:
    is_undeclared = _is_open(sender["additionalProperties"])
    yield Incompatibility(path, _type(receiver), _type(sender), is_certain=not is_undeclared)


#: The rules by the kinds of the receiver and the sender; no other pairs are taken.
_RULES: Final = {
    ("scalar", "scalar"): _by_scalar,
    ("scalar", "enum"): _enum_by_scalar,
    ("enum", "enum"): _enum_by_enum,
    ("items", "items"): _items_by_items,
    ("record", "record"): _record_by_record,
    ("mapping", "record"): _record_by_mapping,
    ("mapping", "mapping"): _mapping_by_mapping,
    ("record", "mapping"): _mapping_by_record,
}


def _kind(node: Node) -> str:
    if "enum" in node:
        return "enum"
    if "items" in node:
        return "items"
    if isinstance(node.get("additionalProperties"), dict):
        return "mapping"
    return "record" if node.get("type") == "object" else "scalar"


def _is_open(node: Node) -> bool:
    return not node.keys() & {"type", "enum", "anyOf"}


def _keys(node: Node) -> Node:
    """Return the schema of a mapping's keys, which is anything for an undeclared mapping."""
    is_undeclared = _is_open(node["additionalProperties"]) and str(node.get(TYPE)) == "dict"
    return _ANYTHING if is_undeclared else node.get(KEYS, _TEXT_KEY)


def _scalar(node: Node) -> str:
    """Return the name of a scalar's type, without its bounds."""
    spelled = str(node.get(TYPE, ""))
    return spelled.removeprefix("Annotated[").partition(",")[0] if BOUNDS in node else spelled


def _name_of(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _takes_scalar(receiver: str, sender: str) -> bool:
    if receiver == sender or (receiver == "float" and sender == "int"):
        return True
    return receiver == "str" and sender in _AS_TEXT


def _is_within(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Return True if all values within the sender's bounds are within the receiver's."""
    low, high = _limits(given)
    least, most = _limits(wanted)
    if (least is not None and (low is None or low < least)) or (
        most is not None and (high is None or high > most)
    ):
        return False
    if "multiple_of" in wanted and given.get("multiple_of", 0.5) % wanted["multiple_of"]:
        return False
    if wanted.get("min_length", 0) > given.get("min_length", 0):
        return False
    if wanted.get("max_length", float("inf")) < given.get("max_length", float("inf")):
        return False
    return all(wanted[name] == given.get(name) for name in ("pattern", "tz") if name in wanted)


def _holds(bounds: Mapping[str, Any], value: Any) -> bool:
    """Return True if one value is within some bounds."""
    if not bounds:
        return True
    try:
        msgspec.convert(value, Annotated[type(value), msgspec.Meta(**bounds)])
    except (msgspec.ValidationError, TypeError):
        return False
    return True


def _limits(bounds: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the bounds below and above, each with 0 if inclusive, else with 1 or -1."""
    low = (bounds["gt"], 1) if "gt" in bounds else None
    low = (bounds["ge"], 0) if "ge" in bounds else low
    high = (bounds["lt"], -1) if "lt" in bounds else None
    high = (bounds["le"], 0) if "le" in bounds else high
    return low, high


def _mismatch(receiver: Node, sender: Node, path: str) -> Incompatibility:
    return Incompatibility(path, _type(receiver), _type(sender))


def _type(node: Node) -> str:
    return str(node.get(TYPE, "an object"))
