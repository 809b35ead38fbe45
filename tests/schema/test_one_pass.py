"""Messages decoded in one pass, against the two passes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.errors import MessageError
from sf_actors.schema.one_pass import (
    delta_decoder,
    published_decoder,
    reply_decoder,
    request_decoder,
)
from sf_actors.schema.schema import Schema
from sf_actors.wire.envelope import (
    decode_delta,
    decode_published,
    decode_reply,
    decode_request,
    encode,
    encode_delta,
    encode_failure,
    encode_heartbeat,
    encode_published,
    encode_reply,
    encode_request,
)

SCHEMA = Schema({"n": int, "price": Decimal}, {"note": str}, where="t")
at_once = reply_decoder(SCHEMA)


def in_two_passes(frame: bytes, schema: Schema = SCHEMA) -> Any:
    return schema.decoded(decode_reply(frame).return_args)  # type: ignore[arg-type]


@pytest.mark.parametrize("id_", ["w", None, 5, ["a", {"b": 1}], {"deep": [[[]]]}])
@pytest.mark.parametrize("more", [{}, {"note": "x"}])
def test_a_usual_reply_is_decoded_at_once(id_: object, more: dict[str, str]) -> None:
    fields = {"n": 1, "price": Decimal("1.50"), **more}
    frame = encode_reply(fields, id_)
    assert at_once(frame) == fields == in_two_passes(frame)


@pytest.mark.parametrize(
    "message",
    [
        {"return_args": {"n": 1, "price": "1", "other": 2}},
        {"return_args": {"n": 1}},
        {"return_args": {"n": True, "price": "1"}},
        {"return_args": {}},
        {"return_args": [1, "1"]},
        {"return_args": None},
        {"error": {"type": "E", "message": "m"}},
        {"return_args": {"n": 1, "price": "1"}, "error": {"type": "E", "message": "m"}},
        {"args": {"n": 1, "price": "1"}},
        {},
    ],
)
def test_what_is_not_usual_is_left_to_the_two_passes(message: dict[str, Any]) -> None:
    assert at_once(msgspec.msgpack.encode(message)) is None


def test_an_envelope_in_another_order_is_left_to_the_two_passes() -> None:
    frame = msgspec.msgpack.encode({"workflow_id": "w", "return_args": {"n": 1, "price": "1.50"}})
    assert at_once(frame) is None
    assert in_two_passes(frame) == {"n": 1, "price": Decimal("1.50")}


def test_a_field_that_is_there_twice_is_left_to_the_two_passes() -> None:
    pack = msgspec.msgpack.encode
    twice = b"\x83" + pack("n") + pack(1) + pack("n") + pack(2) + pack("price") + pack("1")
    assert at_once(b"\x81" + pack("return_args") + twice) is None


@pytest.mark.parametrize("count", [15, 16, 94, 95])
def test_a_long_header_is_never_taken_for_a_short_one(count: int) -> None:
    names = {f"f{n}": int for n in range(count)}
    decode = reply_decoder(Schema(names, {}, where="t"))
    usual = decode(encode_reply(dict.fromkeys(names, 1), None))
    assert usual == (dict.fromkeys(names, 1) if count <= 15 else None)
    assert decode(encode_reply({**dict.fromkeys(names, 1), "x": 1}, None)) is None


@pytest.mark.parametrize("type_", [object, dict, {"inner": int}])
def test_fields_that_need_another_look_are_left_to_the_two_passes(type_: Any) -> None:
    decode = reply_decoder(Schema({"x": type_}, {}, where="t"))
    assert decode(encode_reply({"x": {"inner": 1}}, None)) is None


@given(st.binary(max_size=40), st.integers(0, 60))
def test_whatever_comes_it_is_decoded_as_in_two_passes_or_not_at_all(noise: bytes, at: int) -> None:
    whole = encode_reply({"n": 1, "price": Decimal(2), "note": "x"}, "w")
    for frame in (noise, whole[:at] + noise + whole[at:], whole[:at] + noise):
        fields = at_once(frame)
        if fields is not None:
            try:
                assert in_two_passes(frame) == fields
            except MessageError as error:
                # the one thing that two passes look at besides: an id that nobody needs here
                assert "expected a reply" in str(error)  # noqa: PT017


def test_what_a_signal_handler_raises_while_a_reply_is_decoded_reaches_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ring(_frame: bytes) -> None:
        raise TimeoutError

    monkeypatch.setattr("sf_actors.schema.one_pass._decoder", lambda *_: ring)
    with pytest.raises(TimeoutError):
        # fields that no other test has, since equal ones share their decoder
        reply_decoder(Schema({"rung": int}, {}, where="t"))(encode_reply({"rung": 1}, "w"))


def test_the_failure_of_the_other_side_is_left_to_the_two_passes() -> None:
    assert at_once(encode_failure("E", "m", "w")) is None


@pytest.mark.parametrize("id_", ["w", None, 5, 1.5, True])
@pytest.mark.parametrize("request_id", [None, "r", 7])
def test_a_usual_request_is_decoded_at_once(id_: object, request_id: str | int | None) -> None:
    fields = {"n": 1, "price": Decimal("1.50")}
    frame = encode_request(fields, id_, request_id)
    usual, envelope = request_decoder(SCHEMA)(frame), decode_request(frame)
    assert usual.args == fields == SCHEMA.decoded(envelope.args)
    assert (usual.workflow_id, usual.request_id) == (envelope.workflow_id, envelope.request_id)
    assert usual.request_id == request_id


@pytest.mark.parametrize("seen", [{}, {1_790_000_000_000_000_000: 7}, "none", [{"a": [1]}]])
def test_what_a_caller_has_seen_is_left_packed_whatever_it_is(seen: Any) -> None:
    frame = encode({"args": {"n": 1, "price": "1"}, "workflow_id": "w", "seen": seen})
    usual, envelope = request_decoder(SCHEMA)(frame), decode_request(frame)
    assert usual.args == {"n": 1, "price": Decimal(1)}
    assert bytes(usual.seen) == bytes(envelope.seen) == encode(seen)  # type: ignore[arg-type]
    reply = encode({"return_args": {"n": 1, "price": "1"}, "workflow_id": "w", "seen": seen})
    assert at_once(reply) == usual.args


@pytest.mark.parametrize(
    "message",
    [
        {"args": {"n": 1, "price": "1"}, "workflow_id": [1]},
        {"args": {"n": 1, "price": "1"}, "workflow_id": b"x"},
        {"args": {"n": 1, "price": "1"}, "workflow_id": "x" * 70_000},
        {"args": {"n": 1, "price": "1"}, "workflow_id": {"a": 1}},
        {"args": {"n": 1, "price": "1"}, "workflow_id": datetime(2026, 1, 2, tzinfo=UTC)},
        {"args": {"n": 1, "price": "1"}, "request_id": 1.5},
        {"args": {"n": 1, "price": "1", "x": 1}},
        {"args": {"n": "1", "price": "1"}},
        {"workflow_id": "w", "args": {"n": 1, "price": "1"}},
        {"args": {"n": 1, "price": "1"}, 5: 6},
        {"return_args": {"n": 1, "price": "1"}},
    ],
)
def test_a_request_that_is_not_usual_is_left_to_the_two_passes(message: dict[Any, Any]) -> None:
    assert request_decoder(SCHEMA)(msgspec.msgpack.encode(message)) is None


published_at_once = published_decoder(SCHEMA)


@pytest.mark.parametrize("id_", ["w", None, 5, 1.5, True])
@pytest.mark.parametrize(("epoch", "number"), [(5, 6), (None, None), (2**62, 2**40)])
@pytest.mark.parametrize("form", [bytes, memoryview])
def test_a_usual_published_message_is_decoded_at_once(
    id_: object, epoch: int | None, number: int | None, form: Any
) -> None:
    fields = {"n": 1, "price": Decimal("1.50")}
    frame = form(encode_published(fields, id_, epoch, number))
    usual, envelope = published_at_once(frame), decode_published(frame)
    assert usual.args == fields == SCHEMA.decoded(envelope.args)
    assert (usual.workflow_id, usual.epoch, usual.number) == (id_, epoch, number)
    assert (envelope.workflow_id, envelope.epoch, envelope.number) == (id_, epoch, number)


@pytest.mark.parametrize(
    "message",
    [
        {"args": {"n": 1, "price": "1"}, "workflow_id": [1]},
        {"args": {"n": 1, "price": "1"}, "epoch": "5", "number": 6},
        {"args": {"n": 1, "price": "1"}, "number": 1.5},
        {"args": {"n": 1, "price": "1", "x": 1}},
        {"args": {"n": 1}},
        {"workflow_id": "w", "args": {"n": 1, "price": "1"}},
        {},
    ],
)
def test_a_published_message_that_is_not_usual_is_left_to_the_two_passes(
    message: dict[Any, Any],
) -> None:
    assert published_at_once(msgspec.msgpack.encode(message)) is None


PATCH = Schema({"levels": {str: float}}, {"note": str}, where="t").patch()
delta_at_once = delta_decoder(PATCH)
CHANGE = {"levels": {"a": 1.5, "b": None}}


@pytest.mark.parametrize("number", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**62])
@pytest.mark.parametrize("fields", [CHANGE, {}, {"note": None, **CHANGE}])
@pytest.mark.parametrize("form", [bytes, memoryview])
def test_a_usual_delta_is_decoded_at_once(number: int, fields: dict[str, Any], form: Any) -> None:
    frame = form(encode_delta(number, False, encode(fields), "w", 2**60))
    usual, envelope = delta_at_once(frame), decode_delta(frame)
    assert usual.args.state == fields == PATCH.decoded(envelope.args.state)
    assert (usual.args.current_num, usual.args.is_snapshot) == (number, False)
    assert (usual.workflow_id, usual.epoch) == (envelope.workflow_id, envelope.epoch)


def of_delta(**changed: Any) -> bytes:
    """A delta with other args or another envelope, packed in this order."""
    args = {"current_num": 5, "is_snapshot": False, "state": CHANGE, **changed.pop("args", {})}
    return msgspec.msgpack.encode({"args": args, "workflow_id": "w", "epoch": 7, **changed})


@pytest.mark.parametrize(
    "frame",
    [
        of_delta(args={"is_snapshot": True}),
        of_delta(args={"state": {"other": 1}}),
        of_delta(args={"state": {"levels": {"a": "1"}}}),
        of_delta(args={"state": [1]}),
        of_delta(args={"current_num": "5"}),
        of_delta(args={"more": 1}),
        of_delta(workflow_id={"a": 1}),
        of_delta(epoch="7"),
        of_delta(cuts=[[[b"levels"], 1, 2, 3]]),
        of_delta(head="x"),
        of_delta(count=6),
        of_delta(count="x"),
        of_delta(digest=3),
        encode_heartbeat(7, 5, b"digest"),
        msgspec.msgpack.encode(
            {"args": {"is_snapshot": False, "current_num": 5, "state": CHANGE}, "epoch": 7}
        ),
        msgspec.msgpack.encode(
            {"epoch": 7, "args": {"current_num": 5, "is_snapshot": False, "state": CHANGE}}
        ),
        b"",
        b"\x81",
    ],
)
def test_a_delta_that_is_not_usual_is_left_to_the_two_passes(frame: bytes) -> None:
    usual = delta_at_once(frame)
    # a heartbeat has no fields, and is known by its number
    assert usual is None or usual.args.current_num < 0


def test_a_large_delta_is_left_to_what_reads_it_in_pieces() -> None:
    assert delta_at_once(of_delta(args={"state": {"note": "x" * 60_000}})) is not None
    assert delta_at_once(of_delta(args={"state": {"note": "x" * 66_000}})) is None


KEYS = {"\\xa4": b"\xa4args", "str8": b"\xd9\x04args"}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_args_that_are_there_twice_are_left_to_the_two_passes(key: bytes) -> None:
    pack = msgspec.msgpack.encode
    whole = {"current_num": 5, "is_snapshot": True, "state": CHANGE}
    first = pack({**whole, "is_snapshot": False})
    assert delta_at_once(b"\x82\xa4args" + first + key + pack(whole)) is None
    good, bad = pack({"n": 1, "price": "1"}), pack({"n": 1, "price": "1", "x": 1})
    frame = b"\x82\xa4args" + pack({"n": 1, "price": "1", "note": "a"}) + key + bad
    assert published_at_once(frame) is None
    assert published_at_once(b"\x81\xa4args" + good).args == {"n": 1, "price": Decimal(1)}


def test_a_field_of_a_delta_that_is_there_twice_is_left_to_the_two_passes() -> None:
    pack = msgspec.msgpack.encode
    twice = b"\x82" + (pack("note") + pack("a")) * 2
    assert delta_at_once(encode_delta(5, False, twice, "w", 7)) is None


def test_a_field_that_a_number_holds_does_not_hide_an_unknown_one() -> None:
    number = int.from_bytes(b"\x00\xa5state\x81", "big")
    frame = encode_delta(number, False, encode({"levels": {}, "other": 1}), "w", 7)
    assert delta_at_once(frame) is None


@given(st.binary(max_size=40), st.integers(0, 80), st.sampled_from(["published", "delta"]))
def test_whatever_is_published_is_decoded_as_in_two_passes_or_not_at_all(
    noise: bytes, at: int, kind: str
) -> None:
    whole = encode_published({"n": 1, "price": Decimal(2), "note": "x"}, "w", 7, 8)
    decode: Any = published_at_once
    if kind == "delta":
        whole, decode = encode_delta(300, False, encode(CHANGE), "w", 7), delta_at_once
    for frame in (noise, whole[:at] + noise + whole[at:], whole[:at] + noise):
        usual = decode(frame)
        if usual is None:
            continue
        if kind == "delta":
            delta = decode_delta(frame)
            assert (usual.workflow_id, usual.epoch) == (delta.workflow_id, delta.epoch)
            assert usual.args.current_num == delta.args.current_num
            assert usual.args.is_snapshot is delta.args.is_snapshot
            assert usual.args.state == PATCH.decoded(delta.args.state)
        else:
            published = decode_published(frame)
            assert (usual.workflow_id, usual.epoch) == (published.workflow_id, published.epoch)
            assert usual.number == published.number
            assert usual.args == SCHEMA.decoded(published.args)


def test_equal_fields_share_their_decoder_and_other_bounds_do_not() -> None:
    one, other = (reply_decoder(Schema({"n": int}, {}, where=where)) for where in "ab")
    assert one is other
    assert one is not reply_decoder(Schema({"n": {int}}, {}, where="a"))
    assert one is not request_decoder(Schema({"n": int}, {}, where="a"))
