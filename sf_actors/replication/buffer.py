"""The deltas that a replica cannot apply yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    UpdateFields = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    #: number, is_snapshot, fields
    Delta = tuple[int, bool, UpdateFields]

#: Bytes of packed deltas that are kept at most.
MAX_BYTES = 64 * 1024 * 1024


class Buffer(dict[int, "tuple[bool, UpdateFields]"]):
    """Deltas by their number: `is_snapshot` and fields.

    What is too much empties it: the replica then asks for a newer snapshot.

    :param longest: deltas that are kept at most
    :param max_bytes: bytes that fields with a `size` may have together
    """

    def __init__(self, longest: int, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._longest = longest
        self._max_bytes = max_bytes
        self._bytes = 0

    def keep(self, number: int, is_snapshot: bool, fields: UpdateFields) -> None:
        """Keep a delta, alone if there is no room for it beside the others."""
        size = getattr(fields, "size", 0)
        if len(self) >= self._longest or self._bytes + size > self._max_bytes:
            self.clear()
        self._bytes += size
        self[number] = (is_snapshot, fields)

    def drop_up_to(self, number: int) -> None:
        """Drop what a value of this number has already."""
        for kept in [kept for kept in self if kept <= number]:
            del self[kept]

    def clear(self) -> None:
        """Drop all; what was taken out one by one counts until then."""
        super().clear()
        self._bytes = 0
