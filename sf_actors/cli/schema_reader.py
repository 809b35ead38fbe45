"""Values read from texts, or taken from JSON, as a JSON Schema says."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sf_actors.wording import cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Schema = Mapping[str, Any]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
_BOOLEANS: Final = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)


class Unfit(Exception):
    """A value has not the declared type; the text says what was expected."""


class SchemaReader:
    """A JSON Schema and the parts of it that it refers to."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def alternatives(self, schema: Schema) -> list[Schema]:
        """Return what a schema may be, references followed; most often itself alone."""
        seen = 0
        while "$ref" in schema and seen < 20:
            found: Any = self._root
            for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                found = found.get(step, {}) if step else found
            schema = found
            seen += 1
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return [one for part in schema[key] for one in self.alternatives(part)]
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return [{**schema, "type": kind} for kind in kinds]
        return [schema]

    def properties(self, schema: Schema) -> dict[str, Schema]:
        """Return the fields of a record."""
        return {
            name: part
            for one in self.alternatives(schema)
            for name, part in (one.get("properties") or {}).items()
        }

    def below(self, schema: Schema, key: str) -> Schema | None:
        """Return the schema of a field or of a mapping's items; None if there is no such field."""
        found = self.properties(schema).get(key)
        if found is not None:
            return found
        for one in self.alternatives(schema):
            more = one.get("additionalProperties")
            if isinstance(more, dict):
                return more
            if more is not False and not one.get("properties") and _may_be(one, "object"):
                return {}
        return None

    def read(self, text: str, schema: Schema) -> Any:
        """Read a text as what a schema says.

        :raises Unfit: it is none of that
        """
        options = self.alternatives(schema)
        # what is no text comes first, as in a config: anything is a text
        options = sorted(options, key=lambda one: one.get("type") == "string")
        return _first(lambda one: self._read_one(text, one), options, f"{text!r}")

    def fit(self, value: Any, schema: Schema) -> Any:
        """Return a value of JSON as what a schema says.

        :raises Unfit: it is none of that
        """
        options = self.alternatives(schema)
        return _first(lambda one: self._fit_one(value, one), options, shown_json(value))

    def missing(self, fields: Mapping[str, Any], schema: Schema) -> list[str]:
        """Return the required fields that a record lacks."""
        return [
            name
            for one in self.alternatives(schema)
            for name in one.get("required") or ()
            if name not in fields
        ]

    def _read_one(self, text: str, schema: Schema) -> Any:
        if "const" in schema or "enum" in schema:
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
        if "const" in schema or "enum" in schema:
            if _plain(value) not in _options(schema):
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
        firsts = schema.get("prefixItems") or ()
        rest = schema.get("items")
        rest = rest if isinstance(rest, dict) else {}
        parts = [*firsts, *[rest] * len(value)]
        return [self.fit(item, part) for item, part in zip(value, parts, strict=False)]

    def _fit_object(self, value: Any, schema: Schema) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit
        fields = {}
        for key, item in value.items():
            part = self.below(schema, key)
            if part is None:
                raise Unfit(f"unknown field {cut(key)!r}{nearest(key, self.properties(schema))}")
            try:
                fields[key] = self.fit(item, part)
            except Unfit as error:
                raise Unfit(f"{cut(key)}: {error}") from None
        return fields


def type_of(schema: Schema) -> str:
    """Return how a type is named for people: exactly, where the service says so."""
    if "x-sf-type" in schema:
        return str(schema["x-sf-type"])
    if "const" in schema or "enum" in schema:
        return " or ".join(repr(one) for one in _options(schema))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(type_of(one) for one in schema.get("anyOf") or schema["oneOf"])
    return str(kind or "anything")


def parse_json(text: str) -> Any:
    """Return what a JSON text holds, numbers with a point as Decimals.

    :raises Unfit: it is no JSON, or a key is there twice
    """
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"expected JSON, got {cut(text)!r}: {error}") from None


def shown_json(value: Any) -> str:
    """Return a value of JSON, cut for a message."""
    return cut(json.dumps(_plain(value)))


def _first(read: Callable[[Schema], Any], options: Sequence[Schema], given: str) -> Any:
    """Return what the first of several alternatives gives that can be read."""
    told = ""
    for one in options:
        try:
            return read(one)
        except Unfit as error:
            told = told or str(error)
        except (ValueError, ArithmeticError, RecursionError):
            continue
    expected = " or ".join(dict.fromkeys(map(type_of, options))) or "nothing"
    raise Unfit(told or f"expected {expected}, got {cut(given)}")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{cut(key)!r} is there twice")
        found[key] = value
    return found


def _fit_scalar(value: Any, schema: Schema) -> Any:
    kind = schema.get("type")
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    if kind is None:
        return _plain(value)
    if kind == "string" and isinstance(value, str):
        return _text(value, schema)
    if kind == "string" and is_number and schema.get("x-sf-type") == "Decimal":
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


def _text(text: str, schema: Schema) -> str:
    if schema.get("contentEncoding") == "base64" or schema.get("x-sf-type") == "bytes":
        try:
            b64decode(text, validate=True)
        except ValueError as error:
            raise Unfit(f"expected bytes as base64, got {cut(text)!r}: {error}") from None
    elif schema.get("x-sf-type") == "Decimal" and not _NUMBER.fullmatch(text):
        raise Unfit
    return text


def _options(schema: Schema) -> list[Any]:
    return list(schema["enum"]) if "enum" in schema else [schema["const"]]


def _listed(text: str, schema: Schema) -> Any:
    """Return the one of the listed values that a text stands for."""
    for value in _options(schema):
        written = value if isinstance(value, str) else json.dumps(value)
        if text == written:
            return value
    raise Unfit


def _may_be(schema: Schema, kind: str) -> bool:
    return schema.get("type") in (None, kind)


def _plain(value: Any) -> Any:
    """Return a value with its numbers as JSON's own."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
