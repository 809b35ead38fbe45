"""The keys of ours in the messages of states."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from sf_actors.errors import Undecodable
from sf_actors.wire import envelope, snapshots
from sf_actors.wire.envelope import encode
from sf_actors.wire.messages import HEARTBEAT_NUMBER, Cut


def unpacked(frame: bytes) -> Any:
    return msgpack.unpackb(frame, strict_map_key=False)


def delta(number: int, **keys: Any) -> bytes:
    args = {"current_num": number, "is_snapshot": False, "state": {}}
    packed: bytes = msgpack.packb({"args": args, "workflow_id": None, **keys})
    return packed


def test_a_delta_numbered_by_its_caller_bears_the_publishers_own_count() -> None:
    frame = envelope.encode_delta(-5, False, {"a": 1}, "w", 5, None, 3)
    assert unpacked(frame)["count"] == 3
    read = envelope.decode_delta(frame)
    assert (read.args.current_num, read.count, read.is_heartbeat) == (-5, 3, False)
    cut = Cut((), 1, 4, 1)
    frame = envelope.encode_delta(-5, True, encode({"a": 1}), "w", 5, [cut], 3)
    assert envelope.decode_delta(frame).count == 3
    assert "count" not in unpacked(envelope.encode_delta(3, False, {"a": 1}, "w", 5))


def test_a_heartbeat_is_told_from_a_delta_that_a_caller_has_numbered_so() -> None:
    assert envelope.decode_delta(envelope.encode_heartbeat(5, 7)).is_heartbeat
    assert not envelope.decode_delta(delta(HEARTBEAT_NUMBER)).is_heartbeat
    assert not envelope.decode_delta(delta(HEARTBEAT_NUMBER, epoch=5, count=9)).is_heartbeat
    assert not envelope.decode_delta(delta(HEARTBEAT_NUMBER, head=5, count=9)).is_heartbeat
    assert not envelope.decode_delta(delta(4, epoch=5, head=9)).is_heartbeat


@pytest.mark.parametrize("cuts", [None, [Cut((), 1, 4, 1)]])
def test_a_snapshot_bears_the_publishers_own_count_where_its_caller_numbers(
    cuts: list[Cut] | None,
) -> None:
    frame = snapshots.encode_snapshot_reply(encode({"a": 1}), -7, "w", epoch=5, cuts=cuts, count=3)
    reply = envelope.decode_snapshot_reply(frame)
    assert (reply.count, unpacked(frame)["return_args"]["current_num"]) == (3, -7)
    assert "count" not in unpacked(snapshots.encode_snapshot_reply(encode({}), 3))


def test_an_answer_of_deltas_bears_the_count_of_the_last() -> None:
    deltas = [envelope.encode_delta(n, False, {"a": n}, "w", 5, None, 3) for n in (6, -9)]
    reply = envelope.decode_snapshot_reply(snapshots.encode_fill(deltas, "w", epoch=5, count=4))
    assert reply.count == 4
    assert [args.current_num for args, _ in snapshots.decode_fill(reply.deltas)] == [6, -9]  # type: ignore[arg-type]


def test_a_heartbeat_tells_of_loading_and_of_its_interval_only_where_it_is_asked_to() -> None:
    frame = envelope.encode_heartbeat(5, -1, loading=True, interval_s=2.5)
    read = envelope.decode_delta(frame)
    assert (read.loading, read.interval_s, read.is_heartbeat) == (True, 2.5, True)
    assert unpacked(frame)["loading"] is True
    plain = unpacked(envelope.encode_heartbeat(5, -1))
    assert plain.keys() == {"args", "workflow_id", "epoch", "head"}
    assert not envelope.decode_delta(envelope.encode_heartbeat(5, -1)).loading


def test_an_interval_may_be_any_number_on_the_wire() -> None:
    for interval_s in (1, 2**64 - 1, -1, float("nan"), float("inf")):
        args = {"current_num": HEARTBEAT_NUMBER, "is_snapshot": False, "state": {}}
        beat = msgpack.packb({"args": args, "epoch": 5, "head": 1, "interval_s": interval_s})
        assert isinstance(envelope.decode_delta(beat).interval_s, float)


@pytest.mark.parametrize("cuts", [None, [Cut((), 1, 4, 1)]])
def test_a_snapshot_tells_of_loading_its_interval_and_its_fields(cuts: list[Cut] | None) -> None:
    frame = snapshots.encode_snapshot_reply(
        encode({"a": 1}),
        3,
        "w",
        epoch=5,
        cuts=cuts,
        loading=True,
        interval_s=1.0,
        fields=["a", "größe"],
    )
    reply = envelope.decode_snapshot_reply(frame)
    assert (reply.loading, reply.interval_s) == (True, 1.0)
    assert snapshots.decode_names(reply) == ["a", "größe"]
    assert unpacked(frame)["fields"] == ["a", "größe"]
    plain = envelope.decode_snapshot_reply(snapshots.encode_snapshot_reply(encode({}), 3))
    assert (plain.loading, plain.interval_s, snapshots.decode_names(plain)) == (False, None, None)


def test_an_answer_of_deltas_and_a_full_update_tell_the_interval() -> None:
    fill = snapshots.encode_fill([], "w", epoch=5, interval_s=2.0)
    assert envelope.decode_snapshot_reply(fill).interval_s == 2.0
    full = envelope.encode_published({"a": 1}, "w", 5, 0, 2.0)
    assert envelope.decode_published(full).interval_s == 2.0


@pytest.mark.parametrize("names", [[b"x"], {"a": 1}, "abc", 7, [None], ["x"] * 10_001])
def test_names_of_fields_that_are_none_or_too_many_are_refused(names: object) -> None:
    args = {"state": {}, "current_num": 1}
    reply = envelope.decode_snapshot_reply(msgpack.packb({"return_args": args, "fields": names}))
    with pytest.raises(Undecodable):
        snapshots.decode_names(reply)


def test_a_model_with_very_many_fields_names_none() -> None:
    frame = snapshots.encode_snapshot_reply(encode({}), 3, fields=["x"] * 10_001)
    assert "fields" not in unpacked(frame)
