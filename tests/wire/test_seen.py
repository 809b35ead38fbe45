"""`seen` of requests and replies: a map of epochs to counts, whatever peers put there."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from msgspec import UNSET, Raw

from sf_actors.wire import envelope
from sf_actors.wire.seen import MAX_SEEN, decode_seen, on_the_wire, seen_of_reply

EPOCH = 1_790_000_000_000_000_000


def raw(value: object) -> Raw:
    return Raw(msgpack.packb(value))


def test_what_was_seen_comes_back() -> None:
    seen = {EPOCH: 0, EPOCH + 1: 2**63 - 1}
    request = envelope.decode_request(envelope.encode_request({}, "w", "r", 1.5, seen))

    assert decode_seen(request.seen) == seen
    assert envelope.seconds_left(request) == 1.5
    assert seen_of_reply(envelope.encode_reply({"n": 1}, "w", seen)) == seen
    assert seen_of_reply(envelope.encode_failure("E", "m", "w", seen=seen)) == seen


def test_its_keys_are_texts_since_other_maps_have_no_others() -> None:
    frame = envelope.encode_request({}, "w", seen={EPOCH: 3})

    assert msgpack.unpackb(frame)["seen"] == {str(EPOCH): 3}
    assert decode_seen(raw({str(EPOCH): 3})) == decode_seen(raw({EPOCH: 3})) == {EPOCH: 3}


def test_messages_without_it_have_the_bytes_that_they_always_had() -> None:
    fields = {"args": {"n": 1}, "workflow_id": "w"}
    timed = msgpack.packb({**fields, "expires_in_s": 5.0})

    assert envelope.encode_request({"n": 1}, "w") == msgpack.packb(fields)
    assert envelope.encode_request({"n": 1}, "w", None, 5.0) == timed
    assert envelope.encode_reply({"n": 1}, "w") == msgpack.packb(
        {"return_args": {"n": 1}, "workflow_id": "w"}
    )


def test_the_time_left_can_be_changed_beside_it() -> None:
    frame = envelope.encode_request({}, "w", None, 5.0, {EPOCH: 3})
    request = envelope.decode_request(envelope.expiring_in(frame, 2.5))

    assert (envelope.seconds_left(request), decode_seen(request.seen)) == (2.5, {EPOCH: 3})


def test_it_goes_with_a_reply_that_is_sent_again() -> None:
    frame = envelope.encode_reply({}, "w", {EPOCH: 3})

    assert seen_of_reply(envelope.with_workflow_id(frame, "v")) == {EPOCH: 3}


UNREADABLE: list[Any] = [
    None,
    5,
    "seen",
    [EPOCH, 3],
    {"a": 1},
    {EPOCH: "1"},
    {EPOCH: 1.5},
    {EPOCH: True},
    {EPOCH: None},
    {EPOCH: {EPOCH: 1}},
    {EPOCH: 1, "b": 2},
    {"-5": 1},
    {"": 1},
    {"\u0663": 1},
    {"1" * 21: 1},
    {b"5": 1},
    dict.fromkeys(range(MAX_SEEN + 1), 1),
    {EPOCH: b"x" * 10_000},
]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: repr(value)[:30])
def test_what_cannot_be_read_says_nothing(value: Any) -> None:
    assert decode_seen(raw(value)) == {}
    assert seen_of_reply(msgpack.packb({"return_args": {}, "seen": value})) == {}


def test_a_message_without_it_says_nothing() -> None:
    assert decode_seen(UNSET) == decode_seen(None) == {}
    assert seen_of_reply(envelope.encode_reply({"text": "seen"}, "w")) == {}
    assert seen_of_reply(b"\xc1 seen") == {}


@pytest.mark.parametrize(
    "forged", [{1: 2**63}, {1: 2**64}, {1: -1}, {2**64: 1}, {-1: 1}, {1: 2**70, 2**70: 1}]
)
def test_what_no_publisher_reaches_is_left_out(forged: dict[int, int]) -> None:
    assert on_the_wire({**forged, 7: 3}) == {"7": 3}
    assert on_the_wire(forged) is UNSET
