"""Converts texts and JSON values to what the JSON Schema of a model's fields declares.

The result is in the form that is sent: bytes as bytes, a Decimal as its text, the keys of a mapping
in their declared type. The schemas come from `sf_actors.schema.json_schema`.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import msgspec

from sf_actors.wording import cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Schema = Mapping[str, Any]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
#: The type that a text of some format must convert to.
_FORMATS: Final = {
    "uuid": UUID,
    "date": date,
    "date-time": datetime,
    "time": time,
    "duration": timedelta,
}
_BOOLEANS: Final = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)


class Unfit(Exception):
    """A value does not fit its schema; the text, if any, says what was expected."""


class SchemaReader:
    """Converts values by JSON Schemas as `sf_actors.schema.json_schema` makes them."""

    def alternatives(self, schema: Schema) -> list[Schema]:
        """Return the schemas that a value may fit: those of `anyOf`, else the schema itself."""
        return list(schema["anyOf"]) if "anyOf" in schema else [schema]

    def properties(self, schema: Schema) -> dict[str, Schema]:
        """Return the fields of a record."""
        return {
            name: part
            for one in self.alternatives(schema)
            for name, part in (one.get("properties") or {}).items()
        }

    def below(self, schema: Schema, step: str) -> tuple[Any, Schema] | None:
        """Return the key and the schema of a record's field or a mapping's item.

        :param step: the key as a text
        :returns: None if there is no such field
        :raises Unfit: it cannot be a key of the mapping
        """
        for one in self.alternatives(schema):
            found = (one.get("properties") or {}).get(step)
            if found is not None:
                return step, found
            items = one.get("additionalProperties")
            if isinstance(items, dict):
                keys = one.get("x-sf-keys")
                return (self.read(step, keys) if keys else step), items
            if "type" not in one and "enum" not in one:
                # undeclared, so it may hold anything
                return step, {}
        return None

    def read(self, text: str, schema: Schema) -> Any:
        """Convert a text to the type of a schema.

        :raises Unfit: it does not fit
        """
        options = self.alternatives(schema)
        # try strings last, as in a config: any text is a string
        options = sorted(options, key=lambda one: one.get("type") == "string")
        return _first(lambda one: _within(self._read_one(text, one), one), options, f"{text!r}")

    def fit(self, value: Any, schema: Schema) -> Any:
        """Convert a JSON value to the type of a schema.

        :raises Unfit: it does not fit
        """
        options = self.alternatives(schema)
        return _first(
            lambda one: _within(self._fit_one(value, one), one), options, shown_json(value)
        )

    def missing(self, fields: Mapping[str, Any], schema: Schema) -> list[str]:
        """Return the required fields that a record lacks."""
        return [
            name
            for one in self.alternatives(schema)
            for name in one.get("required") or ()
            if name not in fields
        ]

    def _read_one(self, text: str, schema: Schema) -> Any:
        if "enum" in schema:
            return _listed(text, schema)
        kind = schema.get("type")
        if kind == "integer":
            if not _INTEGER.fullmatch(text):
                raise Unfit
            return int(text)
        if kind == "number":
            if not _NUMBER.fullmatch(text):
                raise Unfit
            return float(text)
        if kind == "boolean":
            if text.lower() not in _BOOLEANS:
                raise Unfit
            return _BOOLEANS[text.lower()]
        if kind == "null":
            if text not in {"null", "none", "None"}:
                raise Unfit
            return None
        if kind in {"array", "object"}:
            return self._fit_one(parse_json(text), schema)
        if kind == "string":
            return _text(text, schema)
        return text

    def _fit_one(self, value: Any, schema: Schema) -> Any:
        if "enum" in schema:
            if _plain(value) not in schema["enum"]:
                raise Unfit
            return _plain(value)
        kind = schema.get("type")
        if kind == "array":
            return self._fit_list(value, schema)
        if kind == "object":
            return self._fit_object(value, schema)
        if kind == "number" and isinstance(value, str):
            return self._read_one(value, schema)
        return _fit_scalar(value, schema)

    def _fit_list(self, value: Any, schema: Schema) -> list[Any]:
        if not isinstance(value, list):
            raise Unfit
        items = schema.get("items", {})
        parts = items if isinstance(items, list) else [items] * len(value)
        if len(parts) != len(value):
            raise Unfit(f"expected {type_of(schema)}, got {len(value)} items")
        return [self.fit(item, part) for item, part in zip(value, parts, strict=True)]

    def _fit_object(self, value: Any, schema: Schema) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit
        fields: dict[Any, Any] = {}
        for step, item in value.items():
            found = self.below(schema, step)
            if found is None:
                raise Unfit(f"unknown field {cut(step)!r}{nearest(step, self.properties(schema))}")
            key, part = found
            try:
                fields[key] = self.fit(item, part)
            except Unfit as error:
                raise Unfit(f"{cut(step)}: {error}") from None
        missing = self.missing(fields, schema)
        if missing:
            raise Unfit(f"missing {', '.join(map(repr, missing))}")
        return fields


def type_of(schema: Schema) -> str:
    """Return the name of a type for people, as the service declares it if it says so."""
    return str(schema.get("x-sf-type") or schema.get("type") or "anything")


def parse_json(text: str) -> Any:
    """Parse a JSON text, with Decimals for numbers with a point.

    :raises Unfit: it is not JSON, or has a key twice
    """
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"expected JSON, got {cut(text)!r}: {error}") from None


def shown_json(value: Any) -> str:
    """Return a JSON value as text, cut for a message."""
    return cut(json.dumps(_plain(value)))


def _first(read: Callable[[Schema], Any], options: Sequence[Schema], given: str) -> Any:
    """Return the result of the first alternative that fits."""
    problem = ""
    for one in options:
        try:
            return read(one)
        except Unfit as error:
            problem = problem or str(error)
        except (ValueError, ArithmeticError, RecursionError):
            continue
    expected = " or ".join(dict.fromkeys(map(type_of, options))) or "nothing"
    raise Unfit(problem or f"expected {expected}, got {cut(given)}")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{cut(key)!r} is there twice")
        found[key] = value
    return found


def _within(value: Any, schema: Schema) -> Any:
    """Return a value if it keeps to the bounds and the format of its schema, else raise."""
    bounds = schema.get("x-sf-bounds")
    kind = _FORMATS.get(str(schema.get("format")))
    try:
        if bounds:
            msgspec.convert(value, Annotated[kind or type(value), msgspec.Meta(**bounds)])
        elif kind is not None:
            msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError):
        raise Unfit from None
    return value


def _fit_scalar(value: Any, schema: Schema) -> Any:
    kind = schema.get("type")
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    if kind is None:
        return _plain(value)
    if kind == "string" and isinstance(value, str):
        return _text(value, schema)
    if kind == "string" and is_number and schema.get("format") == "decimal":
        return str(value)
    if kind == "number" and is_number:
        return float(value)
    has_kind = {
        "integer": type(value) is int,
        "boolean": isinstance(value, bool),
        "null": value is None,
    }
    if not has_kind.get(str(kind)):
        raise Unfit
    return value


def _text(text: str, schema: Schema) -> str | bytes:
    if schema.get("contentEncoding") == "base64":
        try:
            return b64decode(text, validate=True)
        except ValueError as error:
            raise Unfit(f"expected bytes as base64, got {cut(text)!r}: {error}") from None
    if schema.get("format") == "decimal" and not _NUMBER.fullmatch(text):
        raise Unfit
    return text


def _listed(text: str, schema: Schema) -> Any:
    """Return the value of the enum that a text stands for."""
    for value in schema["enum"]:
        written = value if isinstance(value, str) else json.dumps(value)
        if text == written:
            return value
    raise Unfit


def _plain(value: Any) -> Any:
    """Return a value with its Decimals as floats."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
