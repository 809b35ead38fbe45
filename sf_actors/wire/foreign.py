"""Reads envelopes of other encoders that a typed decoder would refuse or round."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from sf_actors.errors import Undecodable
from sf_actors.wire.limits import MAX_DEPTH, is_deep, may_be_deep
from sf_actors.wire.msgpack import TEXTS, count_of, is_map, items_of, map_header
from sf_actors.wire.tokens import MANY, has_many
from sf_actors.wording import cut

MAX_KEYS: Final = 1_000
"""An envelope with more keys is not decoded a second time: it is a flood, not a dialect."""

MAX_ID_BYTES: Final = 65_536
"""Most bytes of a workflow id."""

_SHOWN_BYTES: Final = 2_048
"""Most bytes of a packed workflow id that is decoded for a log line, to use little memory."""


class PackedId:
    """A workflow id as the packed bytes in which it came, which are sent on unchanged.

    Decoding could lose information: MessagePack's timestamps have nanoseconds, and years that
    `datetime` lacks. It could also use far more memory: an empty list is one byte here and eighty
    in Python.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Raw) -> None:
        self.raw = bytes(raw)

    def __packed__(self) -> Raw:
        """Return the bytes to send on."""
        return Raw(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedId) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __plain__(self) -> object:
        """Return the value for a log line, decoded if it is small and decodable."""
        if len(self.raw) <= _SHOWN_BYTES:
            try:
                read = _ANYTHING.decode(self.raw)
            except (ValueError, msgspec.MsgspecError, RecursionError):
                pass
            else:
                return read.isoformat() if isinstance(read, datetime) else read
        return f"<packed {cut(self.raw[:_SHOWN_BYTES].hex(), 200)}>"

    def __repr__(self) -> str:
        shown = self.__plain__()
        return shown if isinstance(shown, str) else repr(shown)


def sorted_out(frame: bytes | memoryview) -> tuple[bytes, object]:
    """Return an envelope with only its text keys and without the workflow id, and that id.

    :raises Undecodable: the workflow id is too large, too deep or not a valid text
    :raises Exception: it is not an envelope
    """
    if not is_map(frame[0]) or count_of(frame) > MAX_KEYS:
        raise ValueError("no map, or too many keys")
    items = items_of(frame)
    kept: list[Raw] = []
    id_: object = None
    for key, value in zip(items[::2], items[1::2], strict=True):
        if memoryview(key)[0] not in TEXTS:
            continue
        if _TEXT.decode(key) == "workflow_id":
            id_ = id_of(value)
        else:
            kept += (key, value)
    return b"".join((map_header(len(kept) // 2), *kept)), id_


def id_of(raw: Raw) -> object:
    """Return a packed workflow id: decoded if it is plain, else as a `PackedId`.

    :raises Undecodable: it is too large, too deep or not a valid text
    """
    size = memoryview(raw).nbytes
    if size > MAX_ID_BYTES:
        raise Undecodable(
            f"expected a workflow id of at most {MAX_ID_BYTES} bytes, got {size} bytes"
        )
    try:
        return _PLAIN.decode(raw)
    except msgspec.MsgspecError as error:
        if memoryview(raw)[0] in TEXTS:
            raise Undecodable(f"expected a workflow id, got {error}") from None
    if has_many(raw):
        # its keys may be chosen to make decoding it slow, for example for a log line
        raise Undecodable(f"expected a workflow id whose dicts have at most {MANY} items")
    _require_shallow(raw)
    return PackedId(raw)


def _require_shallow(raw: Raw) -> None:
    """Refuse an id that is too deep for further services to decode."""
    if not may_be_deep(raw):
        return
    try:
        is_too_deep = is_deep(_ANYTHING.decode(raw))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        is_too_deep = True
    if is_too_deep:
        raise Undecodable(f"expected a workflow id at most {MAX_DEPTH} deep, got a deeper one")


def _as_packed(code: int, data: memoryview) -> msgspec.msgpack.Ext:
    """Return an extension type as an object that packs to the same bytes."""
    return msgspec.msgpack.Ext(code, bytes(data))


_ANYTHING = msgspec.msgpack.Decoder(Any, ext_hook=_as_packed)
_PLAIN = msgspec.msgpack.Decoder(str | int | float | bool | None)
_TEXT = msgspec.msgpack.Decoder(str)
