"""What a service lacks of what another one has seen, by the states that it follows.

========================================== =======================================================
the run of an update that the other saw    what that means for a state
========================================== =======================================================
followed, its count is in the value        nothing is lacking
followed, its count is not in the value    lacking, and coming: worth a wait
known, but another run is followed now     in the value or not, it comes no more: behind, if not
unknown                                    of another state, or of this one, which has not heard of
                                           its publisher's start yet: see below
========================================== =======================================================

Where several states follow one run, the least of them counts.

A publisher that starts and at once asks is faster than the subscription that connects to it again.
An epoch is the wall clock of the run's start, so that an unknown run may be that of a state only

- while the state has heard of no run at all: for `catch_up_s` after it was opened,
- where the run is younger than the silence that the state bears, and the state has heard nothing
  since the run began,
- where the state has many publishers, as long as the run is younger than `catch_up_s`.

Who heard its publisher since then goes on at once: that run is of a state that nobody here follows.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.wire.seen import Seen

MOST_UNKNOWN: Final = 16
"""So many unknown runs of one message are thought about, the youngest: each look takes time."""

_NS = 1e-9


class Following(Protocol):
    """A state that a service follows; any thread."""

    def count_of(self, epoch: int) -> int:
        """Return the count of a run's last update in the value that is shown, -1 if none is."""

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are taken now."""

    def is_known(self, epoch: int) -> bool:
        """Return True if this is one of the state's runs, followed or not."""

    @property
    def has_many(self) -> bool:
        """Whether it has many publishers."""

    @property
    def opened_at(self) -> float:
        """When it was opened, in seconds of `time.monotonic`."""

    @property
    def heard_at(self) -> float | None:
        """When it heard its publisher last, in seconds of `time.monotonic`; None: never."""

    @property
    def stale_after_s(self) -> float:
        """The silence that makes it STALE, in seconds."""


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
    :ivar unknown: updates of runs that a state may still hear of: epochs to counts
    :ivar unknown_until: when those are of other states in all likelihood, in seconds of
        `time.monotonic`
    """

    coming: Seen
    is_behind: bool
    unknown: Seen
    unknown_until: float


NOTHING = Lack({}, is_behind=False, unknown={}, unknown_until=0.0)


def lack(
    seen: Seen,
    states: Collection[Following],
    now: float,
    catch_up_s: float,
    wall_ns: Callable[[], int],
) -> Lack:
    """Return what a service lacks of what another one has seen.

    :param now: the time of `time.monotonic`
    :param catch_up_s: the longest wait, in seconds
    :param wall_ns: the clock of epochs
    """
    coming: Seen = {}
    unknown: Seen = {}
    is_behind = False
    for epoch, count in seen.items():
        if count < 0:
            continue
        reached = progress(epoch, states)
        if reached is None:
            unknown[epoch] = count
        elif count > reached.last:
            if reached.is_followed:
                coming[epoch] = count
            else:
                is_behind = True
    if not unknown or not states:
        return Lack(coming, is_behind, {}, 0.0)
    wall = wall_ns()
    until = {
        epoch: max(
            _heard_by(state, now + (epoch - wall) * _NS, now, catch_up_s) for state in states
        )
        for epoch in nlargest(MOST_UNKNOWN, unknown)
    }
    unknown = {epoch: unknown[epoch] for epoch, by in until.items() if by > now}
    return Lack(coming, is_behind, unknown, max(until.values()))


def _heard_by(state: Following, started_at: float, now: float, catch_up_s: float) -> float:
    """Return until when a state may hear of a run that it does not know; before now: it does not.

    :param started_at: when the run began
    """
    by = 0.0
    # a clock that is ahead of ours shows a start that is still to come
    is_young = abs(now - started_at) < state.stale_after_s
    if state.heard_at is None:
        by = state.opened_at + catch_up_s
    if is_young and state.has_many:
        by = max(by, started_at + catch_up_s)
    elif is_young and (state.heard_at is None or started_at > state.heard_at):
        by = max(by, started_at + state.stale_after_s)
    return by
