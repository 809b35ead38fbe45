"""What a service lacks of what another one has seen, by the states that it follows.

========================================== =======================================================
the run of an update that the other saw    what that means for a state
========================================== =======================================================
followed, its count is in the value        nothing is lacking
followed, its count is not in the value    lacking, and coming: worth a wait
known, but another run is followed now     in the value or not, it comes no more: behind, if not
unknown                                    it is of another state; or of this one, as long as this
                                           one has heard of no run at all since it was opened
========================================== =======================================================

Where several states follow one run, the least of them counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from sf_actors.wire.seen import Seen


class Following(Protocol):
    """A state that a service follows; any thread."""

    def count_of(self, epoch: int) -> int:
        """Return the count of a run's last update in the value that is shown, -1 if none is."""

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are taken now."""

    def is_known(self, epoch: int) -> bool:
        """Return True if this is one of the state's runs, followed or not."""

    @property
    def unheard_since(self) -> float | None:
        """When it was opened, while it has heard of no run, in seconds of `time.monotonic`."""


class Progress(NamedTuple):
    """How far a service is with a run.

    :ivar last: the count of the last update in the value
    :ivar is_followed: further ones may come
    """

    last: int
    is_followed: bool


def progress(epoch: int, states: Collection[Following]) -> Progress | None:
    """Return how far the states are that follow a run, or that have; None: none knows it."""
    followed = [state.count_of(epoch) for state in states if state.is_followed(epoch)]
    if followed:
        return Progress(min(followed), is_followed=True)
    known = [state.count_of(epoch) for state in states if state.is_known(epoch)]
    return Progress(min(known), is_followed=False) if known else None


class Lack(NamedTuple):
    """What a service lacks of what another one has seen.

    :ivar coming: the updates that it may wait for: epochs to counts
    :ivar is_behind: it lacks others that come no more
    :ivar unheard_since: when the state was opened that may follow one of the unknown runs, in
        seconds of `time.monotonic`; None: there is no such state, or no such run
    """

    coming: Seen
    is_behind: bool
    unheard_since: float | None


NOTHING = Lack({}, is_behind=False, unheard_since=None)


def lack(seen: Seen, states: Collection[Following]) -> Lack:
    """Return what a service lacks of what another one has seen."""
    coming: Seen = {}
    is_behind = has_unknown = False
    for epoch, count in seen.items():
        if count < 0:
            continue
        reached = progress(epoch, states)
        if reached is None:
            has_unknown = True
        elif count > reached.last:
            if reached.is_followed:
                coming[epoch] = count
            else:
                is_behind = True
    since = [at for state in states if (at := state.unheard_since) is not None]
    return Lack(coming, is_behind, max(since) if has_unknown and since else None)
