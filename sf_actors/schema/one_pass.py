"""Decodes an envelope together with its fields in one pass, if both are usual; HOT.

The careful way takes two passes: the envelope, whose fields stay packed, and then the fields, by a
`Schema`. So an error in the fields can be told from one in the envelope. Most messages have no
error: one typed decoder decodes them, which takes less time (the benchmark `shortcuts`). For
anything unusual the functions here return None, and the caller takes the two passes.
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

#: The errors that a reply's bytes may cause. Not all exceptions: a reply is decoded in the caller's
#: thread, where a signal handler of the user may raise, for example, a TimeoutError.
_BY_BYTES: Final = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
#: The bytes before and after the number of a delta that is not a whole value, as we pack it.
_BEFORE_NUMBER: Final = _packed("args") + map_header(3) + _packed("current_num")
_AFTER_NUMBER: Final = _packed("is_snapshot") + _packed(False) + _packed("state")
#: Most bytes of a message that is tried: a larger delta may be a whole value, which is read in
#: pieces, and the workflow id of a smaller message cannot be too long.
_TRIED: Final = 65_536


def reply_decoder(schema: Schema) -> Callable[[bytes], dict[str, Any] | None]:
    """Return a function that decodes the fields of a packed reply.

    It returns None for an unusual one: an error, fields that fail the schema, an envelope in
    another order than ours.
    """
    # an error fails its type
    others = (("error", type(None)),)
    return _usual("return_args", others, schema, is_bare=True, provoked=_BY_BYTES)


def request_decoder(schema: Schema) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a packed request, with its fields as `args`.

    It returns None for an unusual one, such as one whose workflow id is not a scalar.
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

    It returns None for an unusual one, as `request_decoder` does, and for a whole value, a large
    delta and a heartbeat.

    :param schema: the schema of a patch
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
        except Exception:  # noqa: BLE001 - the two passes explain any error
            return None
        return None

    return decoded


def _usual(
    name: str,
    others: tuple[tuple[str, Any], ...],
    schema: Schema,
    *,
    is_bare: bool = False,
    provoked: tuple[type[Exception], ...] = (Exception,),
) -> Callable[[bytes | memoryview], Any]:
    """Return a function that decodes a message whose first key `name` holds the fields.

    :param others: further keys of the envelope, with their types
    :param is_bare: return the fields alone
    :param provoked: the errors that a peer's bytes may cause, which the two passes explain
    """
    if not schema.is_plain:
        return lambda _frame: None
    build, fields = schema.build, (tuple(schema.required.items()), tuple(schema.optional.items()))
    # a function that builds instances would be kept as long as the cache, with the user's class
    make = _shared if build is None else _made
    return make(name, others, *fields, _longest(schema), build, is_bare, provoked)


def _made(  # noqa: PLR0917 - the key of a cache
    name: str,
    others: tuple[tuple[str, Any], ...],
    required: tuple[tuple[str, Any], ...],
    optional: tuple[tuple[str, Any], ...],
    longest: int,
    build: Callable[[Any], Any] | None,
    is_bare: bool,
    provoked: tuple[type[Exception], ...],
) -> Callable[[bytes | memoryview], Any]:
    decode = _decoder(name, others, required, optional)
    fields_of = attrgetter(name)
    key, text = _packed(name), name.encode()
    start = 1 + len(key)

    def decoded(frame: bytes | memoryview) -> Any:
        if len(frame) > longest:
            return None
        try:
            message = decode(frame)
            if type(frame) is not bytes:
                frame = bytes(frame)
            # no field is unknown or there twice, nor is the key of the fields, however packed
            is_usual = frame[1:start] == key and frame.count(text) == 1
            fields = fields_of(message)
            if is_usual and len(fields) == frame[start] - FIXMAP <= SHORT:
                if build is not None:
                    # a constructor that raises is called again by the two passes, which explain it
                    fields = build(fields)
                    setattr(message, name, fields)
                return fields if is_bare else message
        except provoked:
            return None
        return None

    return decoded


#: The functions are the same for equal messages; a process may have thousands of services.
_shared = lru_cache(CODES)(_made)


def _longest(schema: Schema) -> int:
    """Return the most bytes of a message that is tried: larger ones need checks first."""
    return _TRIED if schema.is_harmless else FREE_BYTES


@lru_cache(CODES)
def _decoder(
    name: str,
    others: tuple[tuple[str, Any], ...],
    required: tuple[tuple[str, Any], ...],
    optional: tuple[tuple[str, Any], ...],
) -> Callable[[bytes | memoryview], Any]:
    """Return the decoder of a message with these fields; equal fields share it."""
    fields: list[Any] = [(name, record(dict(required), dict(optional)))]
    fields += [(other, type_, None) for other, type_ in others]
    message: Any = msgspec.defstruct("Message", fields, gc=False)
    return msgspec.msgpack.Decoder(message).decode


@lru_cache(CODES)
def _delta_decoder(
    optional: tuple[tuple[str, Any], ...],
) -> Callable[[bytes | memoryview], Any]:
    """Return the decoder of a delta with these fields; equal fields share it."""
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
