from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire import envelope, messages, snapshots
from sf_actors.wire.envelope import encode
from sf_actors.wire.messages import HEARTBEAT_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

DECODERS: list[Callable[[bytes], Any]] = [
    envelope.decode_request,
    envelope.decode_reply,
    envelope.decode_published,
    envelope.decode_delta,
    envelope.decode_snapshot_request,
    envelope.decode_snapshot_reply,
]


class FakeView:
    def __plain__(self) -> dict[str, Any]:
        return {"a": 1}


def unpacked(frame: bytes) -> Any:
    return msgpack.unpackb(frame, strict_map_key=False)


def test_a_request_is_the_documented_map() -> None:
    assert unpacked(envelope.encode_request({"a": 1}, "w")) == {
        "args": {"a": 1},
        "workflow_id": "w",
    }
    assert unpacked(envelope.encode_request({}, None, "r")) == {
        "args": {},
        "workflow_id": None,
        "request_id": "r",
    }


def test_a_request_comes_back_with_its_args_still_packed() -> None:
    frame = memoryview(envelope.encode_request({"a": Decimal("1.5")}, "w", "r"))
    request = envelope.decode_request(frame)
    assert (request.workflow_id, request.request_id) == ("w", "r")
    assert unpacked(bytes(request.args)) == {"a": "1.5"}


def test_replies_and_failures_are_the_documented_maps() -> None:
    assert unpacked(envelope.encode_reply({"a": 1}, 7)) == {
        "return_args": {"a": 1},
        "workflow_id": 7,
    }
    assert unpacked(envelope.encode_failure("KeyError", "no", None)) == {
        "error": {"type": "KeyError", "message": "no"},
        "workflow_id": None,
    }


def test_a_reply_or_failure_of_a_foreign_peer_is_read() -> None:
    reply = envelope.decode_reply(msgpack.packb({"return_args": {}, "error": None}))
    assert bytes(reply.return_args) == b"\x80"  # type: ignore[arg-type]
    failed = envelope.decode_reply(msgpack.packb({"error": {"type": "E", "code": 3}}))
    assert failed.error == envelope.Failure("E", "")
    assert failed.return_args is msgspec.UNSET


def test_a_failure_is_sent_whatever_its_text_holds() -> None:
    frame = envelope.encode_failure("E", "\ud800" + "x" * 100_000, "w")
    message = unpacked(frame)["error"]["message"]
    assert message.startswith("\\ud800x")
    assert len(message) < 20_000


def test_a_reply_with_neither_reply_nor_error_is_refused() -> None:
    with pytest.raises(Undecodable, match="neither"):
        envelope.decode_reply(msgpack.packb({"workflow_id": 1}))
    with pytest.raises(Undecodable, match="neither"):
        envelope.decode_snapshot_reply(msgpack.packb({"workflow_id": 1}))


def test_a_published_message_bears_its_publishers_number() -> None:
    frame = envelope.encode_published({"a": 1}, "w", 5, 0)
    assert unpacked(frame) == {"args": {"a": 1}, "workflow_id": "w", "epoch": 5, "number": 0}
    assert envelope.decode_published(frame).number == 0
    plain = envelope.decode_published(msgpack.packb({"args": {}, "workflow_id": None}))
    assert (plain.epoch, plain.number) == (None, None)


def test_a_delta_is_the_documented_map() -> None:
    frame = envelope.encode_delta(3, False, encode({"a": None}), "w", 5)
    assert unpacked(frame) == {
        "args": {"current_num": 3, "is_snapshot": False, "state": {"a": None}},
        "workflow_id": "w",
        "epoch": 5,
    }
    delta = envelope.decode_delta(frame)
    assert (delta.args.current_num, delta.args.is_snapshot, delta.epoch) == (3, False, 5)
    assert delta.head is None


def test_a_heartbeat_looks_like_a_delta_that_is_long_past() -> None:
    frame = envelope.encode_heartbeat(5, 7, b"digest")
    assert unpacked(frame)["args"] == {
        "current_num": HEARTBEAT_NUMBER,
        "is_snapshot": False,
        "state": {},
    }
    beat = envelope.decode_delta(frame)
    assert (beat.epoch, beat.head, beat.digest) == (5, 7, b"digest")
    assert HEARTBEAT_NUMBER < -1


def test_a_snapshot_request_of_the_original_is_read() -> None:
    request = envelope.decode_snapshot_request(msgpack.packb({"args": {}}))
    assert (request.epoch, request.after) == (None, None)


def test_a_snapshot_request_can_ask_for_the_deltas_alone() -> None:
    frame = envelope.encode_snapshot_request("w", epoch=5, after=0)
    assert unpacked(frame) == {"args": {}, "workflow_id": "w", "epoch": 5, "after": 0}
    assert envelope.decode_snapshot_request(frame).after == 0
    assert unpacked(envelope.encode_snapshot_request()) == {"args": {}, "workflow_id": None}


def test_a_snapshot_reply_is_the_documented_map() -> None:
    frame = snapshots.encode_snapshot_reply(b"\x80", -1, "w", epoch=5)
    assert unpacked(frame) == {
        "return_args": {"state": {}, "current_num": -1},
        "workflow_id": "w",
        "epoch": 5,
    }
    reply = envelope.decode_snapshot_reply(frame)
    assert isinstance(reply.return_args, messages.SnapshotArgs)
    assert reply.return_args.current_num == -1


def test_a_fill_carries_packed_deltas() -> None:
    delta = envelope.encode_delta(1, True, b"\x80", "w", 5)
    reply = envelope.decode_snapshot_reply(snapshots.encode_fill([delta], None, epoch=5))
    assert reply.return_args is msgspec.UNSET
    assert isinstance(reply.deltas, msgspec.Raw)
    [(args, _)] = snapshots.decode_fill(reply.deltas)
    assert (args.current_num, args.is_snapshot, bytes(args.state)) == (1, True, b"\x80")
    empty = envelope.decode_snapshot_reply(snapshots.encode_fill([], None, epoch=5))
    assert isinstance(empty.deltas, msgspec.Raw)
    assert snapshots.decode_fill(empty.deltas) == []
    with pytest.raises(Undecodable):
        snapshots.decode_fill(msgspec.Raw(b"\x91\x80"))


@pytest.mark.parametrize(
    "workflow_id",
    [
        None,
        "w",
        7,
        b"x",
        1.5,
        ["a"],
        {"__uuid__": True, "as_str": "x"},
        {1: [None]},
        msgspec.msgpack.Ext(5, b"of another"),
    ],
)
def test_a_workflow_id_travels_unchanged(workflow_id: Any) -> None:
    frame = envelope.encode_request({}, workflow_id)
    request = envelope.decode_request(frame)
    reply = envelope.encode_reply({}, request.workflow_id)
    assert envelope.decode_reply(reply).workflow_id == request.workflow_id
    assert unpacked(reply)["workflow_id"] == unpacked(frame)["workflow_id"]


@pytest.mark.parametrize("workflow_id", ["x" * 65_537, b"x" * 65_534, [""] * 65_534])
@pytest.mark.parametrize("decode", DECODERS)
def test_a_workflow_id_of_more_than_64_kib_is_refused(decode: Any, workflow_id: Any) -> None:
    args = {"current_num": 0, "is_snapshot": False, "state": {}}
    frame = {"args": args, "return_args": args, "workflow_id": workflow_id}
    with pytest.raises(Undecodable, match="65536 bytes"):
        decode(msgpack.packb(frame))


def test_a_request_id_of_more_than_1024_characters_is_refused() -> None:
    assert envelope.decode_request(envelope.encode_request({}, "w", "r" * 1_024)).request_id
    with pytest.raises(Undecodable, match="1024 characters"):
        envelope.decode_request(envelope.encode_request({}, "w", "r" * 1_025))


def test_a_fill_of_more_deltas_than_a_publisher_keeps_is_refused_before_it_is_read() -> None:
    with pytest.raises(Undecodable, match="at most 1024 deltas"):
        snapshots.decode_fill(msgspec.Raw(b"\xdd\x00\xff\xff\xff" + b"\x80" * 0xFFFFFF))


def test_a_value_with_more_cuts_than_it_has_room_for_is_refused() -> None:
    cuts = [messages.Cut((), 0, 0, 0)] * 1_100
    frame = snapshots.encode_snapshot_reply(b"\x80", 0, "w", epoch=5, cuts=cuts)
    with pytest.raises(Undecodable, match="fewer cuts"):
        envelope.decode_snapshot_reply(frame)
    with pytest.raises(Undecodable, match="fewer cuts"):
        envelope.decode_delta(envelope.encode_delta(0, True, b"\x80", "w", 5, cuts))


@pytest.mark.parametrize("depth", [65, 500, 100_000])
def test_a_workflow_id_that_nests_too_deep_is_refused(depth: int) -> None:
    frame = b"\x82\xa4args\x80\xabworkflow_id" + b"\x91" * depth + b"\xc0"
    with pytest.raises(Undecodable):
        envelope.decode_request(frame)


@pytest.mark.parametrize("beside", [[], [[]] * 100], ids=["flat", "with lists"])
def test_a_workflow_id_with_a_dict_of_keys_that_may_be_chosen_to_collide_is_refused(
    beside: list[Any],
) -> None:
    large = dict.fromkeys(range(256))
    frame = msgpack.packb({"args": {}, "workflow_id": [large, beside]})
    with pytest.raises(Undecodable, match="at most 255 items"):
        envelope.decode_request(frame)


def test_args_may_nest_as_they_like_until_their_model_reads_them() -> None:
    frame = b"\x82\xa4args" + b"\x91" * 100 + b"\xc0\xabworkflow_id\x91\xc0"
    assert repr(envelope.decode_request(frame).workflow_id) == "[None]"


def test_unknown_keys_are_ignored() -> None:
    frame = msgpack.packb({"args": {}, "workflow_id": "w", "trace": {"a": [1]}})
    assert envelope.decode_request(frame).workflow_id == "w"


@pytest.mark.parametrize("key", [3, None, 1.5, b"args", True, (1, 2), msgpack.Timestamp(1, 1)])
@pytest.mark.parametrize("workflow_id", ["w", {"__uuid__": True}, None])
def test_a_key_that_is_no_text_is_ignored(key: Any, workflow_id: Any) -> None:
    frame = msgpack.packb({key: {"a": 1}, "args": {"b": 2}, "workflow_id": workflow_id, 7: 8})
    request = envelope.decode_request(frame)
    assert unpacked(bytes(request.args)) == {"b": 2}
    assert unpacked(envelope.encode_reply({}, request.workflow_id))["workflow_id"] == workflow_id


def test_an_envelope_with_a_flood_of_keys_is_refused_before_they_are_looked_at() -> None:
    flood = dict.fromkeys(range(1001), 0)
    with pytest.raises(Undecodable):
        envelope.decode_request(msgpack.packb({**flood, "args": {}}))
    few = dict(list(flood.items())[:100])
    assert bytes(envelope.decode_request(msgpack.packb({**few, "args": {}})).args) == b"\x80"


TIMESTAMPS = [
    msgpack.Timestamp(1, 1),  # less than a microsecond
    msgpack.Timestamp(1, 999_999_999),
    msgpack.Timestamp(2**33, 0),
    msgpack.Timestamp(2**40, 5),  # beyond the year 9999
    msgpack.Timestamp(-(2**40), 5),
    {"at": msgpack.Timestamp(1, 1)},
    [{msgpack.Timestamp(1, 1): "x"}],
    [{"far": {"at": msgpack.Timestamp(2**40, 5)}}, {str(n): n for n in range(20)}],
    {"many": {str(n): msgpack.Timestamp(-(2**40), n) for n in range(20)}},
]


@pytest.mark.parametrize("workflow_id", TIMESTAMPS)
@pytest.mark.parametrize("decode", DECODERS)
def test_a_timestamp_as_workflow_id_travels_to_the_nanosecond(
    decode: Any, workflow_id: Any
) -> None:
    args = {"current_num": 0, "is_snapshot": False, "state": {}}
    message = decode(msgpack.packb({"args": args, "return_args": args, "workflow_id": workflow_id}))
    assert unpacked(encode(message))["workflow_id"] == workflow_id
    assert unpacked(envelope.encode_reply({}, message.workflow_id))["workflow_id"] == workflow_id


@pytest.mark.parametrize(
    "packed_id",
    [
        b"\xa1\xff",
        b"\x91" * 70 + msgpack.packb(msgpack.Timestamp(2**40, 5)),
        b"\x92" + msgpack.packb(msgpack.Timestamp(2**40, 5)) + msgpack.packb("x" * 70_000),
        b"\xc1",
        b"\xde\xff\xff" + msgpack.packb(msgpack.Timestamp(2**40, 5)),
        b"\x92" + msgpack.packb(msgpack.Timestamp(2**40, 5)) + b"\x91" * 70 + b"\xc0",
    ],
)
def test_a_workflow_id_that_nobody_can_read_is_refused(packed_id: bytes) -> None:
    with pytest.raises(Undecodable):
        envelope.decode_request(b"\x82\xa4args\x80\xabworkflow_id" + packed_id)


@pytest.mark.parametrize("key", [b"", b"\x07\xc0"])
def test_a_workflow_id_may_nest_as_deep_with_a_timestamp_and_foreign_keys_as_without(
    key: bytes,
) -> None:
    """What one decoder lets through every other must, or an answer is lost on its way."""

    def decoded(depth: int) -> Any:
        packed_id = b"\x91" * depth + msgpack.packb(msgpack.Timestamp(1, 1))
        head = bytes([0x83 if key else 0x82]) + key
        return envelope.decode_request(head + b"\xa4args\x80\xabworkflow_id" + packed_id)

    answer = envelope.encode_reply({}, decoded(64).workflow_id)
    assert envelope.decode_reply(answer).workflow_id == decoded(64).workflow_id
    with pytest.raises(Undecodable, match="64 deep"):
        decoded(65)


def test_a_timestamp_as_workflow_id_can_be_logged() -> None:
    first = envelope.decode_request(msgpack.packb({"args": {}, "workflow_id": TIMESTAMPS[0]}))
    assert repr(first.workflow_id).startswith("1970-01-01T00:00:01")
    beyond = envelope.decode_request(msgpack.packb({"args": {}, "workflow_id": TIMESTAMPS[3]}))
    assert repr(beyond.workflow_id).startswith("<packed c70cff")


@pytest.mark.parametrize("header", [b"\x83", b"\xde\x00\x03", b"\xdf\x00\x00\x00\x03"])
def test_keys_that_are_no_text_are_ignored_however_long_the_header_is(header: bytes) -> None:
    items = [("args", {}), (7, "unknown"), ("workflow_id", "w")]
    packed = b"".join(msgpack.packb(part) for item in items for part in item)
    assert envelope.decode_request(header + packed).workflow_id == "w"


@pytest.mark.parametrize("decode", DECODERS)
def test_unknown_keys_of_every_kind_of_message_are_ignored(decode: Any) -> None:
    args = {"current_num": 0, "is_snapshot": False, "state": {}, "colour": "red"}
    known = {"args": args, "return_args": args, "workflow_id": "w"}
    unknown = {"trace": {"a": [1]}, "colour": msgpack.ExtType(5, b"x")}
    assert decode(msgpack.packb({**unknown, **known, "last": None})).workflow_id == "w"


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"\x90",
        b"\xa1x",
        b"\x81\xa4args\xdf\xff\xff\xff\xff",
        b"\x82\xa4args\x80\xa1x" + b"\x91" * 100_000,
        b"\x81\xa4args\x80\x00",
        b"\x82\xa4args\x80\xabworkflow_id\xc7\x02\x05a",
        b"\x82\xa4args\x80\xabworkflow_id\xa1\xff",
    ],
)
def test_no_frame_raises_anything_but_our_error(decode: Any, frame: bytes) -> None:
    if decode is envelope.decode_snapshot_request and frame == b"\x80":
        assert decode(frame).after is None  # it has nothing that it must have
        return
    with pytest.raises(Undecodable) as caught:
        decode(frame)
    assert str(caught.value).isprintable()


@given(st.sampled_from(DECODERS), st.binary(max_size=80))
def test_random_bytes_raise_nothing_but_our_error(decode: Any, frame: bytes) -> None:
    for attempt in (frame, b"\x81\xa4args" + frame, b"\x81\xabworkflow_id" + frame):
        try:
            decode(attempt)
        except Undecodable as error:
            assert str(error).isprintable()  # noqa: PT017 - that it may pass is the point


@pytest.mark.parametrize("value", [2**64, "\ud800", object(), {1, 2**70}, 1j])
def test_what_cannot_be_packed_is_invalid_arguments(value: Any) -> None:
    with pytest.raises(InvalidArguments, match="MessagePack can hold"):
        encode({"a": value})


def test_a_message_that_holds_itself_is_invalid_arguments() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidArguments):
        encode(loop)


def test_a_states_mapping_is_packed_as_its_dict() -> None:
    assert unpacked(encode({"x": FakeView()})) == {"x": {"a": 1}}


def test_a_timestamp_is_one_that_others_read() -> None:
    now = datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert msgpack.unpackb(encode(now), timestamp=3) == now
