"""The deltas that a replica cannot apply yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    UpdateFields = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    #: number, is_snapshot, fields
    Delta = tuple[int, bool, UpdateFields]

#: Largest sum of the sizes of packed deltas, in bytes.
MAX_BYTES = 64 * 1024 * 1024


class Buffer(dict[int, "tuple[bool, UpdateFields]"]):
    """Deltas by their number: `is_snapshot` and fields.

    When it is full it is emptied, and the replica asks for a newer snapshot.

    :param longest: most deltas kept
    :param max_bytes: largest sum of the fields' `size`; fields without one count 0
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
        """Drop the deltas that a value of this number already contains."""
        for kept in [kept for kept in self if kept <= number]:
            del self[kept]

    def clear(self) -> None:
        """Drop all. The bytes of deltas removed one by one count until then."""
        super().clear()
        self._bytes = 0
