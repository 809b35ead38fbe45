"""Formats data as JSON and YAML for exported files, reproducibly."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from sf_actors.definition.config.json_file import WrittenFloat

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNLIKE_JSON: Final = re.compile("[\x7f\U00010000-\U0010ffff]")


def json_text(value: Any) -> str:
    """Return data of a fleet file as one line of JSON: numbers as written, dates as texts."""
    return f"{_json(value)}\n"


def _json(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(str(key))}: {_json(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, WrittenFloat):
        # forms of numbers that TOML has and JSON lacks
        text = value.text.replace("_", "").removeprefix("+")
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text)
    if value is None or isinstance(value, bool | int | float | str):
        return json.dumps(value)
    return json.dumps(value.isoformat())


def yaml_text(documents: list[dict[str, Any]]) -> str:
    """Return documents as YAML, with strings in the form of JSON, which YAML accepts."""
    return "".join(
        "---\n" + "".join(f"{line}\n" for line in _yaml(document)) for document in documents
    )


def _yaml(value: Any) -> Iterator[str]:
    """Yield the lines of a non-empty mapping or list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{key}:", item, indent="  ")
    else:
        for item in value:
            if isinstance(item, dict | list) and item:
                lines = list(_yaml(item))
                yield f"- {lines[0]}"
                yield from (f"  {line}" for line in lines[1:])
            else:
                yield f"- {_scalar(item)}"


def _entry(head: str, item: Any, *, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield head
        yield from (f"{indent}{line}" for line in _yaml(item))
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(item: Any) -> str:
    """Return a scalar as JSON, but for characters whose form in JSON YAML refuses.

    JSON escapes a character beyond U+FFFF as two surrogates, and leaves DEL as it is.
    """
    text = json.dumps(item)
    if not isinstance(item, str) or not _UNLIKE_JSON.search(item):
        return text
    written = (
        f"\\U{ord(char):08x}" if _UNLIKE_JSON.match(char) else json.dumps(char)[1:-1]
        for char in item
    )
    return f'"{"".join(written)}"'
