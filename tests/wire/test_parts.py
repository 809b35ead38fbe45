"""Snapshots in several messages, as they look on the wire."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from sf_actors.errors import Undecodable
from sf_actors.wire import envelope
from sf_actors.wire.parts import (
    LARGEST_PART,
    Version,
    decode_pieces,
    encode_first_part,
    encode_part,
    limit_of,
    size_of_parts,
)

VERSION = Version(5, -7, 3)


def test_the_first_part_says_what_there_is_to_say_of_all() -> None:
    frame = encode_first_part(VERSION, 9, 4, 1_024, interval_s=0.5, fields=["a", "b"])
    assert msgpack.unpackb(frame) == {
        "return_args": {"state": {}, "current_num": -7},
        "workflow_id": 9,
        "epoch": 5,
        "count": 3,
        "interval_s": 0.5,
        "fields": ["a", "b"],
        "part": 0,
        "parts": 4,
    }
    assert decode_pieces(envelope.decode_snapshot_reply(frame)) == []


@pytest.mark.parametrize("names", [["x" * 2_000], ["x"] * 10_001])
def test_names_that_do_not_fit_are_left_out(names: list[str]) -> None:
    frame = encode_first_part(VERSION, 9, 4, 1_024, interval_s=0.5, fields=names)
    assert "fields" not in msgpack.unpackb(frame)
    assert len(frame) <= 1_024


def test_each_further_part_has_pieces_and_its_place() -> None:
    pieces = [envelope.encode({"a": 1}), envelope.encode({"b": {"c": 2}})]
    frame = encode_part(VERSION, 9, 2, 4, pieces)
    assert msgpack.unpackb(frame)["pieces"] == pieces
    reply = envelope.decode_snapshot_reply(frame)
    assert (reply.part, reply.parts) == (2, 4)
    assert decode_pieces(reply) == pieces


@pytest.mark.parametrize(
    "changed",
    [
        {"part": None},
        {"parts": None},
        {"part": -1},
        {"part": 4},
        {"parts": 2**20 + 1},
        {"parts": 1, "part": 0},
        {"pieces": []},
        {"pieces": {"a": b""}},
        {"pieces": [1]},
        {"pieces": ["text"]},
        {"pieces": b"x"},
        {"pieces": [b""] * 1_100},
    ],
)
def test_a_part_that_is_none_is_undecodable(changed: dict[str, Any]) -> None:
    part = msgpack.unpackb(encode_part(VERSION, 9, 2, 4, [b"\x80"])) | changed
    reply = envelope.decode_snapshot_reply(msgpack.packb(part))
    with pytest.raises(Undecodable):
        decode_pieces(reply)


def test_a_part_without_pieces_is_undecodable() -> None:
    part = msgpack.unpackb(encode_part(VERSION, 9, 2, 4, [b"\x80"]))
    del part["pieces"]
    with pytest.raises(Undecodable):
        decode_pieces(envelope.decode_snapshot_reply(msgpack.packb(part)))


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (5_000, 5_000),
        (2**64 - 1, 2**64 - 1),
        (0, None),
        (-1, None),
        (True, None),
        (1.5, None),
        ("5000", None),
        ([5_000], None),
        (b"x" * 100, None),
        (None, None),
    ],
)
def test_a_limit_is_a_positive_number_or_none(given: Any, limit: int | None) -> None:
    frame = msgpack.packb({"args": {}, "max_message_bytes": given})
    assert limit_of(envelope.decode_snapshot_request(frame)) == limit


def test_a_request_without_a_limit_has_none() -> None:
    assert limit_of(envelope.decode_snapshot_request(msgpack.packb({"args": {}}))) is None
    asked = envelope.encode_snapshot_request(1, max_message_bytes=5_000)
    assert msgpack.unpackb(asked)["max_message_bytes"] == 5_000


@pytest.mark.parametrize(
    ("limit", "size"),
    [(1, None), (1_023, None), (1_024, 1_024), (100_000, 65_536), (2**64 - 1, LARGEST_PART)],
)
def test_parts_have_few_sizes(limit: int, size: int | None) -> None:
    assert size_of_parts(limit) == size
