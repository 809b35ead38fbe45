"""Delays merging patches into a value until it is read, or until there are many.

Patches that are merged together copy each node only once, and a value changes far more often than
it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.values.patch import merge
from sf_actors.replication.values.persistent_map import EMPTY, Map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.schema.shape import Record

KEPT: Final = 256
"""Most patches that are kept: so few that reading the value hardly takes longer."""

FEW: Final = 8
"""Most items that a kept patch may change."""


class PendingPatches:
    """A value, and the patches that are not merged into it yet.

    Not thread-safe: it belongs to one actor. `value` is frozen and may be handed to any thread.

    :param value: frozen
    :param is_strict: as in `merge_open`; for a publisher, which can refuse its caller's update
    """

    __slots__ = ("_changes", "_count", "_gone", "_is_crowded", "_is_strict", "_shape", "_value")

    def __init__(
        self, shape: Record, value: Map[str, Any] = EMPTY, *, is_strict: bool = False
    ) -> None:
        self._shape = shape
        self._value = value
        self._is_crowded = False
        self._is_strict = is_strict
        self._forget_changes()

    @property
    def value(self) -> Map[str, Any]:
        """The value with all patches merged."""
        if self._count:
            self._merge()
        return self._value

    def replace(self, value: Map[str, Any]) -> None:
        """Replace the value; pending patches are dropped."""
        self._value = value
        if self._count:
            self._forget_changes()

    def merge(self, patch: Mapping[str, Any]) -> Map[str, Any]:
        """Merge a patch at once, after those that are kept, and return the value; HOT.

        :raises PatchRefused: it does not fit; nothing has changed
        """
        if self._count:
            self._merge()
        self._value = merge(self._value, patch, self._shape, is_strict=self._is_strict)
        return self._value

    def _forget_changes(self) -> None:
        #: pending changes by table, and the number of patches they come from
        self._changes: dict[str, dict[Any, Any]] = {name: {} for name in self._shape.tables}
        self._count = 0
        #: the keys that they delete
        self._gone: set[Any] = set()

    def keep(self, patch: Mapping[str, Any]) -> bool:
        """Keep a patch that cannot fail, of a few items of one table; HOT.

        :returns: False if the caller must merge the patch at once
        """
        if len(patch) != 1:
            return False
        if not self._count:
            # a kept patch must not fail later, and a crowd might become too large
            self._is_crowded = any(
                type(held) is Map and held.crowd for held in self._value.values()
            )
        if self._is_crowded:
            return False
        [name] = patch
        changes, change = self._changes.get(name), patch[name]
        if changes is None or type(change) is not dict or not 0 < len(change) <= FEW:
            return False
        if self._gone and not self._gone.isdisjoint(change):
            # a deleted key comes back, perhaps as an equal key of another type: merge in order
            self._merge()
            changes = self._changes[name]
        for key, item in change.items():
            changes[key] = item
            if item is None:
                self._gone.add(key)
        self._count += 1
        if self._count >= KEPT:
            self._merge()
        return True

    def _merge(self) -> None:
        patch = {name: changes for name, changes in self._changes.items() if changes}
        self.replace(merge(self._value, patch, self._shape))
