"""What other writers of MessagePack put into an envelope, and a typed decoder refuses or rounds."""

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
"""An envelope with more keys is not looked at a second time: it is a flood, not a dialect."""

MAX_ID_BYTES: Final = 65_536
"""Bytes of a workflow id."""

_SHOWN_BYTES: Final = 2_048
"""Bytes of a packed workflow id that is read to be shown: not much comes of them."""


class PackedId:
    """A workflow id as the bytes it came in, which travel on unchanged.

    What Python reads from them may be less: MessagePack's timestamps count nanoseconds and reach
    beyond the years that `datetime` has. And it may be far more: an empty list is one byte here and
    eighty in memory.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Raw) -> None:
        self.raw = bytes(raw)

    def __packed__(self) -> Raw:
        """Return what is sent on."""
        return Raw(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedId) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __plain__(self) -> object:
        """Return what a log line shows: what was read, as far as it is small and can be."""
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
    """Return an envelope without the keys that are no text, and apart from it its workflow id.

    :raises Undecodable: the workflow id is too large
    :raises Exception: it is no envelope, or nothing that this could mend
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
            id_ = _id_of(value)
        else:
            kept += (key, value)
    return b"".join((map_header(len(kept) // 2), *kept)), id_


def _id_of(raw: Raw) -> object:
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
        # its keys may be chosen so that to decode it, for a log line say, takes long
        raise Undecodable(f"expected a workflow id whose dicts have at most {MANY} items")
    _require_shallow(raw)
    return PackedId(raw)


def _require_shallow(raw: Raw) -> None:
    """Refuse an id that others, to whom it travels on, could not read for its depth."""
    if not may_be_deep(raw):
        return
    try:
        is_too_deep = is_deep(_ANYTHING.decode(raw))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        is_too_deep = True
    if is_too_deep:
        raise Undecodable(f"expected a workflow id at most {MAX_DEPTH} deep, got a deeper one")


def _as_packed(code: int, data: memoryview) -> msgspec.msgpack.Ext:
    """Return an extension type as what it is packed to again."""
    return msgspec.msgpack.Ext(code, bytes(data))


_ANYTHING = msgspec.msgpack.Decoder(Any, ext_hook=_as_packed)
_PLAIN = msgspec.msgpack.Decoder(str | int | float | bool | None)
_TEXT = msgspec.msgpack.Decoder(str)
