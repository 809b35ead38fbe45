"""Compares the digests of heartbeats with that of the replica's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.digest import digest_after, digest_of, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.replication.values.persistent_map import Map


class DigestCheck:
    """The digest of a value, kept up to date once a heartbeat has carried one.

    Two mismatches in a row, with a snapshot in between, cannot be repaired by another snapshot:
    then nothing is compared until `reset`.

    :ivar digest: the digest of the value last seen; None until it is needed
    :ivar mismatches: how often digests differed
    :ivar disagreement: why digests are no longer compared; None while they are
    """

    def __init__(self) -> None:
        self.digest: int | None = None
        self.mismatches = 0
        self.disagreement: str | None = None
        self._is_suspected = False
        self._value: Map[Any, Any] | None = None

    def forget(self) -> None:
        """Drop the value and its digest: another value has replaced it."""
        self.digest = self._value = None

    def follow(self, old: Map[Any, Any], new: Map[Any, Any], patch: Mapping[Any, Any]) -> None:
        """Update the digest after a merge; does nothing while `digest` is None."""
        if self.digest is not None and self._value is old:
            self.digest = digest_after(self.digest, old, new, patch)
            self._value = new

    def differs(self, value: Map[Any, Any], number: int, digest: bytes | None) -> bool:
        """Return True if the digests differ and the value must be fetched again.

        :param digest: the heartbeat's digest, or None if it carried none
        """
        if digest is None or self.disagreement is not None:
            return False
        if self.digest is None or self._value is not value:
            # not the value that was followed: it comes from a snapshot, or from a fault
            self.digest = digest_of(value)
            self._value = value
        if packed(self.digest) == digest:
            self._is_suspected = False
            return False
        self.mismatches += 1
        if self._is_suspected:
            self.disagreement = (
                f"the digest differs at number {number} although a snapshot was taken:"
                " both sides must declare the same model"
            )
            return False
        self._is_suspected = True
        return True

    def reset(self) -> None:
        """Start comparing again, for another epoch."""
        self.disagreement = None
        self._is_suspected = False
