"""The topic in front of a published message: one MessagePack text, or nothing.

The packed text begins with its length, so a subscription to a packed topic matches only this topic,
not longer ones with the same beginning.
"""

from __future__ import annotations

import msgspec

from sf_actors.errors import InvalidArguments, Undecodable
from sf_actors.wire.msgpack import FIXTEXT, SHORT_TEXT, TEXT_LENGTHS
from sf_actors.wording import shown


def pack(topic: str | None) -> bytes:
    """Return the bytes to subscribe to and to prepend; b'' if there is no topic or an empty one.

    :raises InvalidArguments: it is not a text, or has lone surrogates
    """
    if topic is not None and not isinstance(topic, str):
        raise InvalidArguments(f"expected a text as topic, got {shown(topic)}")
    try:
        return msgspec.msgpack.encode(str(topic)) if topic else b""
    except UnicodeEncodeError:
        raise InvalidArguments(
            f"expected a topic without lone surrogates, got {shown(topic)}"
        ) from None


def payload(frame: bytes | memoryview) -> bytes | memoryview:
    """Return the part after the topic, uncopied; the frame itself if it has no topic.

    :raises Undecodable: the frame is empty, or ends within the topic
    """
    if not frame:
        raise Undecodable("expected a message, got an empty frame")
    first = frame[0]
    if FIXTEXT <= first <= FIXTEXT + SHORT_TEXT:
        end = 1 + first - FIXTEXT
    elif first in TEXT_LENGTHS:
        begin = 1 + TEXT_LENGTHS[first]
        end = begin + int.from_bytes(frame[1:begin], "big")
        if len(frame) < begin:
            end = begin
    else:
        return frame
    if len(frame) <= end:
        raise Undecodable(
            f"expected a topic and a message, got {len(frame)} bytes that end within the topic"
        )
    return memoryview(frame)[end:]
