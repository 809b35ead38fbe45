"""Converts the `key=value` of a command line to the fields of a message.

The JSON Schema of the model, from the running service, says how: a number or a word is read as the
declared type, lists and mappings are JSON, bytes are base64, and `null` is None where allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sf_actors.cli.schema_reader import SchemaReader, Unfit, parse_json, shown_json
from sf_actors.errors import UsageError
from sf_actors.wording import cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sf_actors.cli.schema_reader import Schema


def read_fields(
    pairs: Sequence[str], schema: Schema, *, read_input: Callable[[], str]
) -> dict[str, Any]:
    """Read the fields of a message.

    :param pairs: `key=value`, `key.sub=value`, or one `-` for a JSON object from standard input
    :param schema: the JSON Schema of the whole message
    :param read_input: reads standard input
    :raises UsageError: a key is unknown, missing or repeated, or a value is wrong
    """
    reader = SchemaReader()
    fields: dict[str, Any] = {}
    texts: dict[tuple[str, ...], str] = {}
    has_input = False
    for pair in pairs:
        if pair == "-":
            if has_input:
                raise UsageError("expected one '-' for standard input, got two")
            has_input = True
            continue
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"expected key=value, got {cut(pair)!r}")
        path = _path_of(key, reader.properties(schema))
        if path in texts:
            raise UsageError(f"{key}: expected once, got it twice")
        texts[path] = text
    if has_input:
        fields = _object(read_input(), reader, schema)
    records: list[_Record] = [_Record("", fields, schema)]
    for path, text in texts.items():
        _require_apart(path, texts)
        _put(records, path, text, reader)
    missing = [
        f"{one.key}{name}=…" for one in records for name in reader.missing(one.fields, one.schema)
    ]
    if missing:
        raise UsageError(f"expected {', '.join(missing)}, got none")
    return fields


class _Record(NamedTuple):
    """A record built from `key=value`: the prefix of its keys, its fields so far, its schema."""

    key: str
    fields: dict[Any, Any]
    schema: Schema


def _path_of(key: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Split a key at its dots, unless a field has the whole key as its name."""
    if key in fields:
        return (key,)
    steps = tuple(key.split("."))
    if not all(steps):
        raise UsageError(f"expected key=value or key.sub=value, got {cut(key)!r}")
    return steps


def _require_apart(path: tuple[str, ...], others: Mapping[tuple[str, ...], str]) -> None:
    for length in range(1, len(path)):
        if path[:length] in others:
            both = f"{'.'.join(path[:length])} and {'.'.join(path)}"
            raise UsageError(f"expected a record whole or by its fields, got {both}")


def _put(records: list[_Record], path: tuple[str, ...], text: str, reader: SchemaReader) -> None:
    """Put a value at the place of its key, creating the records on the way.

    :param records: the records so far, the whole message first
    """
    key = ".".join(path)
    _, place, part = records[0]
    for number, step in enumerate(path):
        try:
            found = reader.below(part, step)
        except Unfit as error:
            raise UsageError(f"{key}: {error}") from None
        if found is None:
            known = reader.properties(part)
            there = f"; there is {', '.join(known)}" if known else ""
            raise UsageError(f"unknown key {cut(key)!r}{nearest(step, known) or there}")
        last, part = found
        if number < len(path) - 1:
            if not isinstance(place.get(last), dict):
                place[last] = {}
                records.append(_Record(".".join(path[: number + 1]) + ".", place[last], part))
            place = place[last]
    try:
        place[last] = reader.read(text, part)
    except Unfit as error:
        raise UsageError(f"{key}: {error}") from None


def _object(text: str, reader: SchemaReader, schema: Schema) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except Unfit as error:
        raise UsageError(f"standard input: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"standard input: expected one JSON object, got {shown_json(value)}")
    fields: dict[str, Any] = {}
    for name, item in value.items():
        # field by field: fields that the object lacks may come from other arguments
        try:
            found = reader.below(schema, name)
            if found is None:
                known = reader.properties(schema)
                raise Unfit(f"unknown key {cut(name)!r}{nearest(name, known)}")
            fields[name] = reader.fit(item, found[1])
        except Unfit as error:
            raise UsageError(f"standard input: {error}") from None
    return fields
