"""Buffers the deltas that a replica cannot apply yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    UpdateFields = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    #: number, is_snapshot, fields, workflow id
    Delta = tuple[int, bool, UpdateFields, object]
    #: is_snapshot, fields, the caller's number, workflow id
    Kept = tuple[bool, UpdateFields, int | None, object]

#: Largest sum of the sizes of packed deltas, in bytes.
MAX_BYTES = 64 * 1024 * 1024


class Buffer(dict[int, "Kept"]):
    """Deltas by their count: `is_snapshot`, fields, the caller's number if any, the workflow id.

    When it is full it is emptied, and the replica asks for a newer snapshot.

    :param longest: most deltas kept
    :param max_bytes: largest sum of the fields' `size`, their workflow ids included; fields without
        one count 0
    """

    def __init__(self, longest: int, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._longest = longest
        self._max_bytes = max_bytes
        self._bytes = 0

    def keep(
        self,
        count: int,
        is_snapshot: bool,
        fields: UpdateFields,
        given: int | None = None,
        workflow_id: object = None,
    ) -> None:
        """Keep a delta; if there is no room for it, drop all others first."""
        size = getattr(fields, "size", 0)
        if len(self) >= self._longest or self._bytes + size > self._max_bytes:
            self.clear()
        self._bytes += size
        self[count] = (is_snapshot, fields, given, workflow_id)

    def drop_up_to(self, count: int) -> None:
        """Drop the deltas that a value of this count already contains."""
        for kept in [kept for kept in self if kept <= count]:
            del self[kept]

    def clear(self) -> None:
        """Drop all deltas. Until then, the bytes of deltas that were removed singly still count."""
        super().clear()
        self._bytes = 0
