"""Reads JSON strictly: numbers keep their text, and duplicate keys are errors.

It follows RFC 8259, but also accepts `NaN` and `Infinity` as Python writes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sf_actors.definition.environment import Expanded
from sf_actors.wire.limits import is_deep
from sf_actors.wording import cut

if TYPE_CHECKING:
    from os import PathLike

    from sf_actors.errors import UserError


#: How deep objects and lists may be nested: far deeper than anybody writes, yet shallow enough for
#: recursive functions.
MAX_DEPTH = 100

#: How many digits an integer may have, whatever the interpreter allows: the time to parse it is
#: quadratic.
MAX_DIGITS = 4_300


_TOO_DEEP = f"nested too deep; expected at most {MAX_DEPTH} levels"


class WrittenFloat(float):
    """A JSON number with a fraction or an exponent that keeps its text.

    A `float` keeps 17 digits and no trailing zeros, but a Decimal needs all digits.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """Create one from the text of a JSON number."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def parse(text: str | bytes) -> Any:
    """Parse one JSON text; numbers with a fraction or an exponent become `WrittenFloat`.

    :raises ValueError: it is not JSON, has a duplicate key, is nested too deep or has an integer
        that is too long; the message is one line, with line and column if known
    """
    try:
        content = json.loads(
            text, parse_float=WrittenFloat, parse_int=_integer, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as exc:
        message = f"line {exc.lineno}, column {exc.colno}: not JSON: {exc.msg}"
        raise ValueError(message) from exc
    except UnicodeDecodeError as exc:
        raise ValueError(f"not JSON: byte {exc.start} is not {exc.encoding}") from exc
    except RecursionError as exc:
        raise ValueError(_TOO_DEEP) from exc
    if is_deep(content, MAX_DEPTH):
        raise ValueError(_TOO_DEEP)
    return content


def read_object(path: str | PathLike[str], *, what: str, error: type[UserError]) -> dict[str, Any]:
    """Read a file that contains one JSON object.

    :param what: the kind of file, for messages: "config file"
    :param error: the type of the error, in one line, if the file cannot be read or does not contain
        a JSON object
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise error(f"{path}: cannot read the {what}: {reason}") from exc
    try:
        content = parse(raw)
    except ValueError as exc:
        raise error(f"{path}: {exc}") from exc
    if not isinstance(content, dict):
        raise error(f"{path}: expected a JSON object in the {what}, got {_kind(content)}")
    return content


def plain(value: Any) -> Any:
    """Return a copy of the value with plain floats."""
    kind = type(value)
    if kind is WrittenFloat:
        return float(value)
    if kind is Expanded:
        return str(value)
    if kind is dict:
        return {key: plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key '{cut(name)}' stands twice in one object")
            seen.add(name)
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer has {len(text):,} digits; expected at most {MAX_DIGITS:,}")
    return int(text)


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
