"""A message and its fields decoded in one pass, where both are what they usually are; HOT.

The fields of an envelope stay packed until a `Schema` decodes them, so that what is wrong with them
can be told from what is wrong with the envelope. Most messages have nothing wrong. This decodes
those whole, and leaves the word about all others to the two passes.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from sf_actors.wire.compiled import CODES
from sf_actors.wire.envelope import CHANGED_IDS
from sf_actors.wire.foreign import extension
from sf_actors.wire.schema import FIXMAP, SHORT
from sf_actors.wire.types import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.wire.schema import Schema


def reply_decoder(schema: Schema) -> Callable[[bytes], dict[str, Any] | None]:
    """Return a function that takes the fields out of a packed reply.

    It returns None for what is not usual: an error, fields that fail the schema, an envelope in
    another order than ours.
    """
    decode = _usual("return_args", (("error", Any),), schema)

    def decoded(frame: bytes) -> dict[str, Any] | None:
        message = decode(frame)
        return None if message is None or message.error is not None else message.return_args

    return decoded


def request_decoder(schema: Schema) -> Callable[[bytes], Any]:
    """Return a function that decodes a packed request, with its fields as `args`.

    It returns None for what is not usual, a workflow id that is no scalar among it.
    """
    decode = _usual("args", (("workflow_id", Any), ("request_id", str | int | None)), schema)

    def decoded(frame: bytes) -> Any:
        message = decode(frame)
        return None if message is None or type(message.workflow_id) in CHANGED_IDS else message

    return decoded


def _usual(
    name: str, others: tuple[tuple[str, Any], ...], schema: Schema
) -> Callable[[bytes], Any]:
    """Return a function that decodes a message whose fields are there first, under a name.

    :param others: further keys of the envelope, with their types
    """
    if not schema.is_plain:
        return lambda _frame: None
    decode = _decoder(name, others, tuple(schema.required.items()), tuple(schema.optional.items()))
    fields_of = attrgetter(name)
    key = msgspec.msgpack.encode(name)
    start = 1 + len(key)

    def decoded(frame: bytes) -> Any:
        try:
            message = decode(frame)
            # none of the fields is unknown or there twice
            count = frame[start] - FIXMAP
            is_usual = frame.startswith(key, 1) and len(fields_of(message)) == count <= SHORT
        except Exception:  # noqa: BLE001 - whatever a peer's bytes provoke, the two passes tell of it
            return None
        return message if is_usual else None

    return decoded


@lru_cache(CODES)
def _decoder(
    name: str,
    others: tuple[tuple[str, Any], ...],
    required: tuple[tuple[str, Any], ...],
    optional: tuple[tuple[str, Any], ...],
) -> Callable[[bytes], Any]:
    """Return the decoder of a message with these fields, kept for others that have them."""
    fields: list[Any] = [(name, record(dict(required), dict(optional)))]
    fields += [(other, type_, None) for other, type_ in others]
    message: Any = msgspec.defstruct("Message", fields, gc=False)
    return msgspec.msgpack.Decoder(message, ext_hook=extension).decode
