"""One-pass decoding: an envelope together with its fields, as far as both are usual; HOT.

The careful way takes two passes: the envelope, whose fields stay packed, and then the fields, by a
`Schema`. So what is wrong with the fields can be told from what is wrong with the envelope. Most
messages have nothing wrong: these are decoded by one typed decoder, which takes less (the benchmark
`shortcuts`). Whatever is unusual gives None here, and is left to the two passes.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sf_actors.schema.collisions import FREE_BYTES
from sf_actors.schema.generated_check import CODES
from sf_actors.schema.types import record
from sf_actors.wire.messages import PlainId
from sf_actors.wire.msgpack import FIXMAP, INT_SIZES, SHORT, map_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.schema.schema import Schema

_packed = msgspec.msgpack.encode

#: What bytes provoke where it cannot be all exceptions: a reply is decoded in the caller's thread,
#: where a signal handler of the user may raise, say, a TimeoutError.
_BY_BYTES: Final = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
#: What stands before and after the number of a delta that is no whole value, as we pack it.
_BEFORE_NUMBER: Final = _packed("args") + map_header(3) + _packed("current_num")
_AFTER_NUMBER: Final = _packed("is_snapshot") + _packed(False) + _packed("state")
#: Bytes of a message that is tried: a larger delta may be a whole value, which is read in pieces,
#: and what is smaller has no workflow id that is too long.
_TRIED: Final = 65_536


def reply_decoder(schema: Schema) -> Callable[[bytes], dict[str, Any] | None]:
    """Return a function that takes the fields out of a packed reply.

    It returns None for what is not usual: an error, fields that fail the schema, an envelope in
    another order than ours.
    """
    decode = _usual("return_args", (("error", msgspec.Raw),), schema, provoked=_BY_BYTES)

    def decoded(frame: bytes) -> dict[str, Any] | None:
        message = decode(frame)
        return None if message is None or message.error is not None else message.return_args

    return decoded


def request_decoder(schema: Schema) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a packed request, with its fields as `args`.

    It returns None for what is not usual, a workflow id that is no scalar among it.
    """
    return _message_decoder(
        (
            ("request_id", str | int | None),
            ("seen", msgspec.Raw),
            ("traceparent", msgspec.Raw),
            ("expires_in_s", float | None),
        ),
        schema,
    )


def published_decoder(schema: Schema) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a packed published message, as `request_decoder` does."""
    others = (("epoch", int | None), ("number", int | None), ("traceparent", msgspec.Raw))
    return _message_decoder(others, schema)


def _message_decoder(
    others: tuple[tuple[str, Any], ...], schema: Schema
) -> Callable[[bytes | memoryview], Any]:
    return _usual("args", (("workflow_id", PlainId), *others), schema)


def delta_decoder(schema: Schema) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a packed delta, with its fields as `args.state`.

    It returns None for what is not usual, as `request_decoder` does; a whole value, a large delta
    and a heartbeat are not.

    :param schema: of a patch
    """
    if not schema.is_plain:
        return lambda _frame: None
    decode = _delta_decoder(tuple(schema.optional.items()))
    end = 1 + len(_BEFORE_NUMBER)
    length = len(_AFTER_NUMBER)
    longest = _longest(schema)

    def decoded(frame: bytes | memoryview) -> Any:
        if len(frame) > longest:
            return None
        try:
            message = decode(frame)
            if type(frame) is not bytes:
                frame = bytes(frame)
            after = end + INT_SIZES.get(frame[end], 1)
            start = after + length
            if (
                frame[1:end] == _BEFORE_NUMBER
                and frame[after:start] == _AFTER_NUMBER
                and len(message.args.state) == frame[start] - FIXMAP <= SHORT
                and frame.count(b"args") == 1
                and message.cuts is None
                and message.count is None
            ):
                return message
        except Exception:  # noqa: BLE001 - whatever a peer's bytes provoke, the two passes tell of it
            return None
        return None

    return decoded


def _usual(
    name: str,
    others: tuple[tuple[str, Any], ...],
    schema: Schema,
    *,
    provoked: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a message whose fields are there first, under a name.

    :param others: further keys of the envelope, with their types
    :param provoked: what a peer's bytes may provoke, which the two passes tell of
    """
    if not schema.is_plain:
        return lambda _frame: None
    decode = _decoder(name, others, tuple(schema.required.items()), tuple(schema.optional.items()))
    fields_of = attrgetter(name)
    key, text = _packed(name), name.encode()
    start = 1 + len(key)
    longest = _longest(schema)
    build = schema.build

    def decoded(frame: bytes | memoryview) -> Any:
        if len(frame) > longest:
            return None
        try:
            message = decode(frame)
            if type(frame) is not bytes:
                frame = bytes(frame)
            # none of the fields is unknown or there twice, nor are all of them, however packed
            is_usual = frame[1:start] == key and frame.count(text) == 1
            if is_usual and len(fields_of(message)) == frame[start] - FIXMAP <= SHORT:
                if build is not None:
                    # a constructor that raises is called again by the two passes, which say why
                    setattr(message, name, build(fields_of(message)))
                return message
        except provoked:
            return None
        return None

    return decoded


def _longest(schema: Schema) -> int:
    """Return how many bytes a message may have that is tried: larger ones are looked into first."""
    return _TRIED if schema.is_harmless else FREE_BYTES


@lru_cache(CODES)
def _decoder(
    name: str,
    others: tuple[tuple[str, Any], ...],
    required: tuple[tuple[str, Any], ...],
    optional: tuple[tuple[str, Any], ...],
) -> Callable[[bytes | memoryview], Any]:
    """Return the decoder of a message with these fields, kept for others that have them."""
    fields: list[Any] = [(name, record(dict(required), dict(optional)))]
    fields += [(other, type_, None) for other, type_ in others]
    message: Any = msgspec.defstruct("Message", fields, gc=False)
    return msgspec.msgpack.Decoder(message).decode


@lru_cache(CODES)
def _delta_decoder(
    optional: tuple[tuple[str, Any], ...],
) -> Callable[[bytes | memoryview], Any]:
    """Return the decoder of a delta with these fields, kept for others that have them."""
    fields: Any = record({}, dict(optional))
    args: Any = msgspec.defstruct(
        "Args", [("current_num", int), ("is_snapshot", bool), ("state", fields)], gc=False
    )
    of_ours: dict[str, Any] = {
        "workflow_id": PlainId,
        "epoch": int | None,
        "head": int | None,
        "digest": bytes | None,
        "cuts": msgspec.Raw,
        "count": int | None,
        "traceparent": msgspec.Raw,
    }
    others = [(name, type_, None) for name, type_ in of_ours.items()]
    message: Any = msgspec.defstruct("Delta", [("args", args), *others], gc=False)
    return msgspec.msgpack.Decoder(message).decode
