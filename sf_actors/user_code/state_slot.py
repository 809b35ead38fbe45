"""Slots of states: what other threads see of a state's value, status and progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from sf_actors.replication.status import Phase, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.replication.values.persistent_map import Map

    #: a value as a persistent map, the epoch of its run (None for a peer without epochs), and the
    #: count of its last update in that run, -1 before the first
    Version = tuple[Map[str, Any], int | None, int]


class Slot(Protocol):
    """The slot of one state."""

    @property
    def value(self) -> Map[str, Any]:
        """The current value; any thread."""

    @property
    def status(self) -> Callable[[], Status]:
        """A function that returns the current status; any thread."""


class OwnSlot(Slot, Protocol):
    """The slot of an out-state."""

    @property
    def mark(self) -> tuple[int, int]:
        """The epoch of this run, and the count of its last update; any thread."""


class Followed(Protocol):
    """The part of a replica that tells other threads which run it follows."""

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are applied now."""

    def is_known(self, epoch: int) -> bool:
        """Return True if this run was heard, whether followed or not."""

    @property
    def heard_at(self) -> float | None:
        """When it last heard its publisher, in seconds of `time.monotonic`; None: never."""

    @property
    def has_many(self) -> bool:
        """Whether it has many publishers."""

    @property
    def stale_after_s(self) -> float:
        """The silence that makes it STALE, in seconds."""


class StateSlot:
    """The slot of an in-state, from which other threads read its value.

    The actor replaces the version and never changes one in place, so readers need no lock.

    :param version: the version that is shown
    :param status: returns the current status
    :param followed: the replica
    :param opened_at: when the state was opened, in seconds of `time.monotonic`
    :ivar told: the status of the replica, of which its actor has told
    :ivar others: the last counts of the other runs, if the state has many publishers
    """

    __slots__ = ("followed", "opened_at", "others", "status", "told", "version")

    def __init__(
        self,
        version: Version,
        status: Callable[[], Status],
        followed: Followed,
        opened_at: float,
    ) -> None:
        self.version = version
        self.others: dict[int, int] = {}
        self.renew(status, followed, opened_at)

    def renew(self, status: Callable[[], Status], followed: Followed, opened_at: float) -> None:
        """Show another replica from now on, and keep the value."""
        self.status = self.told = status
        self.followed = followed
        self.opened_at = opened_at

    def leave(self) -> None:
        """Be SYNCING until another replica is shown, since this one is to connect elsewhere."""
        told = self.told
        self.status = lambda: replace(told(), phase=Phase.SYNCING, error=None)

    @property
    def value(self) -> Map[str, Any]:
        """The value."""
        return self.version[0]

    def count_of(self, epoch: int) -> int:
        """Return the count of a run's last update in the value, -1 if it has none."""
        _, shown, count = self.version
        return count if epoch == shown else self.others.get(epoch, -1)

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are applied now."""
        followed = self.followed
        if followed.heard_at is None and not followed.has_many:
            # a new replica that has heard nothing yet follows the run of the value that was kept
            return epoch == self.version[1]
        return followed.is_followed(epoch)

    def is_known(self, epoch: int) -> bool:
        """Return True if this is one of the state's runs, whether followed or not."""
        return epoch == self.version[1] or self.followed.is_known(epoch)

    @property
    def has_many(self) -> bool:
        """Whether it has many publishers."""
        return self.followed.has_many

    @property
    def heard_at(self) -> float | None:
        """When it last heard its publisher, in seconds of `time.monotonic`; None: never."""
        return self.followed.heard_at

    @property
    def stale_after_s(self) -> float:
        """The silence that makes it STALE, in seconds."""
        return self.followed.stale_after_s
