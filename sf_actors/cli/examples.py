"""Makes an example of a message from the JSON Schema of its fields."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.schema_reader import SchemaReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.cli.schema_reader import Schema

_READER: Final = SchemaReader()

#: Texts by the `format` of a schema.
_TEXTS: Final = {
    "date-time": "2026-01-31T12:00:00",
    "date": "2026-01-31",
    "time": "12:00:00",
    "duration": "PT1.5S",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_WORD: Final = "text"


def example_of(schema: Schema) -> str:
    """Return the required fields of a message as `key=value` that can be typed into a shell."""
    return " ".join(
        f"{shlex.quote(name)}={shlex.quote(_text_of(value))}"
        for name, value in _record(schema).items()
    )


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _record(schema: Schema) -> dict[str, Any]:
    fields = _READER.properties(schema)
    required = schema.get("required") or ()
    return {name: _value(fields[name]) for name in required if name in fields}


def _value(schema: Schema) -> Any:
    """Return a value in the form that JSON has; one that a `pattern` asks for is not found."""
    one = _READER.alternatives(schema)[0]
    if one.get("enum"):
        return one["enum"][0]
    bounds = one.get("x-sf-bounds") or {}
    match one.get("type"):
        case "null":
            return None
        case "boolean":
            return True
        case "integer":
            return int(_number(bounds, 1, is_whole=True))
        case "number":
            return _number(bounds, 1.5)
        case "array":
            return _array(one, bounds)
        case "object":
            return _record(one) if one.get("properties") else _mapping(one, bounds)
    return _text(one, bounds)


def _array(schema: Schema, bounds: Mapping[str, Any]) -> list[Any]:
    items = schema.get("items") or {}
    if isinstance(items, list):
        return [_value(item) for item in items]
    return [_value(items)] * bounds.get("min_length", 0)


def _mapping(schema: Schema, bounds: Mapping[str, Any]) -> dict[str, Any]:
    if not bounds.get("min_length"):
        return {}
    key = _text_of(_value(schema.get("x-sf-keys") or {}))
    return {key: _value(schema.get("additionalProperties") or {})}


def _text(schema: Schema, bounds: Mapping[str, Any]) -> str:
    if schema.get("contentEncoding") == "base64":
        return b64encode(_word(bounds).encode()).decode()
    kind = schema.get("format")
    if kind == "decimal":
        return f"{_number(bounds, 1.5):g}"
    if kind in {"date-time", "time"}:
        has_zone = bounds.get("tz", kind == "date-time")
        return _TEXTS[str(kind)] + ("Z" if has_zone else "")
    return _TEXTS.get(str(kind)) or _word(bounds)


def _word(bounds: Mapping[str, Any]) -> str:
    """Return a word, cut or repeated to a length within the bounds."""
    usual = len(_WORD)
    size: int = max(bounds.get("min_length", 0), min(usual, bounds.get("max_length", usual)))
    return (_WORD * (size // usual + 1))[:size]


def _number(bounds: Mapping[str, Any], usual: float, *, is_whole: bool = False) -> float:
    """Return the usual number, or another one near the bounds if that is outside of them."""
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    near = [usual]
    if low is not None:
        near += [low, low + 1]
    if high is not None:
        near += [high, high - 1]
    if low is not None and high is not None:
        near.append((low + high) / 2)
    step = bounds.get("multiple_of", 1 if is_whole else None)
    if step is not None:
        near = [side(one / step) * step for one in near for side in (ceil, floor)]
    return next((one for one in near if _is_within(one, bounds)), usual)


def _is_within(number: float, bounds: Mapping[str, Any]) -> bool:
    return (
        ("ge" not in bounds or number >= bounds["ge"])
        and ("gt" not in bounds or number > bounds["gt"])
        and ("le" not in bounds or number <= bounds["le"])
        and ("lt" not in bounds or number < bounds["lt"])
    )
