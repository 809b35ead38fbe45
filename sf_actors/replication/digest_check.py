"""The digests that heartbeats bring, compared with that of the replica's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.digest import digest_after, digest_of, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.replication.values.persistent_map import Map


class DigestCheck:
    """The digest of a value, kept from the first heartbeat on that carries one.

    Two differences in a row, with a snapshot taken in between, are no accident that another
    snapshot could repair: then nothing is compared any more until `reset`.

    :ivar digest: the digest of the value last seen; None until it is needed
    :ivar mismatches: how often a digest was another
    :ivar disagreement: why nothing is compared any more; None while it is
    """

    def __init__(self) -> None:
        self.digest: int | None = None
        self.mismatches = 0
        self.disagreement: str | None = None
        self._is_suspected = False
        self._value: Map[Any, Any] | None = None

    def forget(self) -> None:
        """Let go of the value: another one has taken its place."""
        self.digest = self._value = None

    def follow(self, old: Map[Any, Any], new: Map[Any, Any], patch: Mapping[Any, Any]) -> None:
        """Take note of a merge; only while `digest` is not None."""
        if self.digest is not None and self._value is old:
            self.digest = digest_after(self.digest, old, new, patch)
            self._value = new

    def differs(self, value: Map[Any, Any], number: int, digest: bytes | None) -> bool:
        """Say whether the value must be fetched again because its digest is another one.

        :param digest: that of the heartbeat; None says nothing
        """
        if digest is None or self.disagreement is not None:
            return False
        if self.digest is None or self._value is not value:
            # not the value that was followed: it came as a snapshot, or by a fault
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
        """Compare again: another epoch is followed."""
        self.disagreement = None
        self._is_suspected = False
