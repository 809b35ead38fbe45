from __future__ import annotations

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire.topic import pack, payload

MESSAGE = msgpack.packb({"args": {}, "workflow_id": None})


@given(st.text(max_size=100))
def test_a_topic_is_messagepack_text_and_comes_off_again(topic: str) -> None:
    assert pack(topic) == (msgpack.packb(topic) if topic else b"")
    assert bytes(payload(pack(topic) + MESSAGE)) == MESSAGE
    assert bytes(payload(memoryview(pack(topic) + MESSAGE))) == MESSAGE


@pytest.mark.parametrize("length", [1, 31, 32, 255, 256, 65535, 65536])
def test_topics_of_every_length_come_off(length: int) -> None:
    assert bytes(payload(pack("x" * length) + MESSAGE)) == MESSAGE


def test_no_topic_is_no_bytes() -> None:
    assert pack(None) == pack("") == b""


def test_a_frame_without_a_topic_is_the_payload_itself() -> None:
    assert payload(MESSAGE) is MESSAGE


def test_a_topic_is_no_prefix_of_a_longer_one() -> None:
    assert not pack("ab").startswith(pack("a"))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xa1",
        b"\xa1x",
        b"\xa5abc",
        b"\xd9",
        b"\xd9\x05abc",
        b"\xda\x00",
        b"\xdb\xff\xff\xff\xffabc",
    ],
)
def test_a_frame_that_ends_within_its_topic_is_undecodable(frame: bytes) -> None:
    with pytest.raises(Undecodable):
        payload(frame)


@given(st.binary(max_size=20))
def test_no_frame_raises_anything_but_our_error(frame: bytes) -> None:
    try:
        rest = payload(frame)
    except Undecodable:
        return
    assert frame.endswith(bytes(rest))


@pytest.mark.parametrize("topic", [3, b"x", "\ud800"])
def test_what_is_no_text_is_no_topic(topic: object) -> None:
    with pytest.raises(InvalidArguments):
        pack(topic)  # type: ignore[arg-type]
