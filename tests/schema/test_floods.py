"""What costs far more than its bytes is refused, and what looks alike is not."""

from __future__ import annotations

from typing import Any

import pytest

from sf_actors.errors import InvalidMessage
from sf_actors.schema.schema import Schema
from sf_actors.wire.envelope import encode

pytestmark = pytest.mark.slow


def schema_of(declared: Any) -> Schema:
    return Schema({"x": declared}, {}, where="svc.py: orders")


def many_of(item: bytes, count: int) -> bytes:
    return b"\x81\xa1x\xdd" + count.to_bytes(4, "big") + item * count


@pytest.mark.parametrize(
    ("declared", "item"),
    [(list, b"\x80"), ([dict], b"\x80"), ([[int]], b"\x90"), ([{int}], b"\x90"), (object, b"\x90")],
)
def test_a_flood_of_empty_containers_is_refused(declared: Any, item: bytes) -> None:
    assert len(schema_of(declared).decoded(many_of(item, 40_000))["x"]) == 40_000
    with pytest.raises(InvalidMessage, match="MiB of memory"):
        schema_of(declared).decoded(many_of(item, 1_000_000))


def test_many_containers_with_content_are_no_flood() -> None:
    raw = many_of(encode([1.5, 2.5]), 300_000)
    assert len(schema_of([(float, float)]).decoded(raw)["x"]) == 300_000
    pixels = many_of(encode([200, 100, 255]), 256 * 256)
    assert len(schema_of([(int, int, int)]).decoded(pixels)["x"]) == 256 * 256
