"""Requests and replies decoded in one pass, against the two passes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.errors import MessageError
from sf_actors.wire.at_once import reply_decoder, request_decoder
from sf_actors.wire.envelope import (
    decode_reply,
    decode_request,
    encode_failure,
    encode_reply,
    encode_request,
)
from sf_actors.wire.schema import Schema

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


def test_the_failure_of_the_other_side_is_left_to_the_two_passes() -> None:
    assert at_once(encode_failure("E", "m", "w")) is None


@pytest.mark.parametrize("id_", ["w", None, 5, 1.5, b"x", msgspec.msgpack.Ext(5, b"y")])
@pytest.mark.parametrize("request_id", [None, "r", 7])
def test_a_usual_request_is_decoded_at_once(id_: object, request_id: str | int | None) -> None:
    fields = {"n": 1, "price": Decimal("1.50")}
    frame = encode_request(fields, id_, request_id)
    usual, envelope = request_decoder(SCHEMA)(frame), decode_request(frame)
    assert usual.args == fields == SCHEMA.decoded(envelope.args)
    assert (usual.workflow_id, usual.request_id) == (envelope.workflow_id, envelope.request_id)
    assert usual.request_id == request_id


@pytest.mark.parametrize(
    "message",
    [
        {"args": {"n": 1, "price": "1"}, "workflow_id": [1]},
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
