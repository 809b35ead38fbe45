"""Writes declared types as JSON Schema (draft 07), with the exact type of each as `x-sf-type`.

JSON has fewer types than a model. A type that JSON lacks is described in its text form (a Decimal
is a text), and `x-sf-type` gives the type in the notation of models.
"""

from __future__ import annotations

import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from sf_actors.schema.bounds import described
from sf_actors.schema.flags import integers_of
from sf_actors.schema.scalars import NOTHING, is_enum, is_flag
from sf_actors.schema.types import bare, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Node = dict[str, Any]

#: The key of the exact type.
TYPE: Final = "x-sf-type"
#: The key of the schema of a mapping's keys, if these are not texts.
KEYS: Final = "x-sf-keys"
#: The key of the bounds of a value, as a model has them.
BOUNDS: Final = "x-sf-bounds"

_SCALARS: Final[Mapping[Any, Node]] = {
    NOTHING: {"type": "null", TYPE: "None"},
    bool: {"type": "boolean", TYPE: "bool"},
    int: {"type": "integer", TYPE: "int"},
    float: {"type": "number", TYPE: "float"},
    str: {"type": "string", TYPE: "str"},
    bytes: {"type": "string", "contentEncoding": "base64", TYPE: "bytes"},
    Decimal: {"type": "string", "format": "decimal", TYPE: "Decimal"},
    UUID: {"type": "string", "format": "uuid", TYPE: "UUID"},
    date: {"type": "string", "format": "date", TYPE: "date"},
    datetime: {"type": "string", "format": "date-time", TYPE: "datetime"},
    time: {"type": "string", "format": "time", TYPE: "time"},
    timedelta: {"type": "string", "format": "duration", TYPE: "timedelta"},
}
#: JSON Schema's words for bounds, by the type that they bound.
_BOUND_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "integer": {
        "ge": "minimum",
        "gt": "exclusiveMinimum",
        "le": "maximum",
        "lt": "exclusiveMaximum",
        "multiple_of": "multipleOf",
    },
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}

_ITEMS: Final[Mapping[Any, str]] = {list: "[{}]", set: "{{{}}}", frozenset: "frozenset[{}]"}


def schema_of_fields(required: Mapping[str, Any], optional: Mapping[str, Any]) -> Node:
    """Return the JSON Schema of an object with fields of canonical types."""
    node: Node = {
        "type": "object",
        "properties": {name: node_of(part) for name, part in {**required, **optional}.items()},
    }
    if required:
        node["required"] = list(required)
    return node


def node_of(type_: Any) -> Node:
    """Return the JSON Schema of a canonical type (see `sf_actors.schema.types.canonical`)."""
    if type_ is Any:
        return {TYPE: "object"}
    if type_ in _SCALARS:
        return dict(_SCALARS[type_])
    if is_flag(type_):
        return node_of(integers_of(type_))
    if is_enum(type_):
        return {"enum": [_plain(one.value) for one in type_], TYPE: type_.__qualname__}
    if typing.is_typeddict(type_):
        return _record(type_)
    origin, args = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return _bounded(node_of(bare(type_)), args[1:])
    if origin is Literal:
        return {"enum": list(args), TYPE: f"Literal[{', '.join(map(repr, args))}]"}
    if origin in (Union, types.UnionType):
        members = [node_of(arg) for arg in args]
        return {"anyOf": members, TYPE: " | ".join(_types_of(members))}
    if origin is tuple:
        return _tuple(args)
    if origin is dict:
        return _mapping(node_of(args[0]), node_of(args[1]))
    return _items(origin, node_of(args[0]))


def _record(type_: Any) -> Node:
    required, optional = fields_of(type_)
    node = schema_of_fields(required, optional)
    fields = [
        f"{name!r}: {part[TYPE]}" if name in required else f"{name!r}: NotRequired[{part[TYPE]}]"
        for name, part in node["properties"].items()
    ]
    node[TYPE] = f"{{{', '.join(fields)}}}"
    return node


def _tuple(args: tuple[Any, ...]) -> Node:
    if args[1:] == (...,):
        node = node_of(args[0])
        spelled = "tuple" if node[TYPE] == "object" else f"tuple[{node[TYPE]}, ...]"
        return {"type": "array", "items": node, TYPE: spelled}
    items = [node_of(arg) for arg in args]
    spelled = ", ".join(_types_of(items))
    if len(items) < 2:
        spelled += "," if items else "tuple[()]"
    return {
        "type": "array",
        "items": items,
        "minItems": len(items),
        "maxItems": len(items),
        TYPE: f"({spelled})" if items else spelled,
    }


def _mapping(key: Node, value: Node) -> Node:
    node: Node = {"type": "object", "additionalProperties": value}
    if key[TYPE] == value[TYPE] == "object":
        return {**node, TYPE: "dict"}
    if key[TYPE] != "str":
        node[KEYS] = key
    return {**node, TYPE: f"{{{key[TYPE]}: {value[TYPE]}}}"}


def _items(kind: type, item: Node) -> Node:
    node: Node = {"type": "array", "items": item}
    if kind is not list:
        node["uniqueItems"] = True
    if item[TYPE] == "object":
        return {**node, TYPE: kind.__name__}
    return {**node, TYPE: _ITEMS[kind].format(item[TYPE])}


def _bounded(node: Node, bounds: tuple[Any, ...]) -> Node:
    kind = "integer" if node.get("type") == "number" else node.get("type")
    words = _BOUND_WORDS.get(str(kind), {})
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "tz")
    given = {
        name: value
        for bound in bounds
        for name in names
        if (value := getattr(bound, name)) is not None
    }
    if node[TYPE] != "bytes":  # its text form is longer
        node |= {words[name]: value for name, value in given.items() if name in words}
    return {**node, BOUNDS: given, TYPE: f"Annotated[{node[TYPE]}, Meta({described(bounds)})]"}


def _types_of(nodes: Iterable[Node]) -> list[str]:
    return [node[TYPE] for node in nodes]


def _plain(value: Any) -> Any:
    """Return the value of a member of an Enum in its text form."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
