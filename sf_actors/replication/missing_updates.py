"""Finds the updates that another service has seen and that this one's states still lack.

========================================== =======================================================
the run of an update that the other saw    consequence for a state
========================================== =======================================================
followed, its count is in the value        nothing is lacking
followed, its count is not in the value    lacking, but coming: worth a wait
known, but another run is followed now     it can no longer come: behind, unless the value has it
unknown                                    of another state, or of this one, which has not heard of
                                           its publisher's start yet: see below
========================================== =======================================================

If several states follow one run, the one with the lowest count decides.

A publisher that calls right after its start is faster than the subscription that reconnects to it.
An epoch is the wall clock of the run's start, so an unknown run can belong to a state only

- while the state has heard of no run at all: for `catch_up_s` after it was opened,
- if the run is younger than the state's `stale_after_s`, and the state has heard nothing since the
  run began,
- if the run is younger than `LATE_S`, even if the state has heard something within that time: it
  may read the last messages of the run before when the new one has already begun,
- if the state has many publishers, as long as the run is younger than `catch_up_s`.

Otherwise there is no wait: the run belongs to a state that this service does not follow.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.wire.seen import Seen

MOST_UNKNOWN: Final = 16
"""Most unknown runs of one message that are checked, the youngest: each check takes time."""

LATE_S: Final = 0.5
"""How long after its publisher's end a state may still read messages of it, in seconds."""

_NS = 1e-9


class FollowedState(Protocol):
    """A state that a service follows; any thread."""

    def count_of(self, epoch: int) -> int:
        """Return the count of a run's last update in the value that is shown, -1 if none is."""

    def is_followed(self, epoch: int) -> bool:
        """Return True if this is the run whose updates are applied now."""

    def is_known(self, epoch: int) -> bool:
        """Return True if this is one of the state's runs, whether followed or not."""

    @property
    def has_many(self) -> bool:
        """Whether it has many publishers."""

    @property
    def opened_at(self) -> float:
        """When it was opened, in seconds of `time.monotonic`."""

    @property
    def heard_at(self) -> float | None:
        """When it last heard its publisher, in seconds of `time.monotonic`; None: never."""

    @property
    def stale_after_s(self) -> float:
        """The silence that makes it STALE, in seconds."""


class Progress(NamedTuple):
    """How far a service has followed a run.

    :ivar last: the count of the last update in the value
    :ivar is_followed: more updates may come
    """

    last: int
    is_followed: bool


def progress(epoch: int, states: Collection[FollowedState]) -> Progress | None:
    """Return how far the states that follow or followed a run are; None: no state knows it."""
    followed = [state.count_of(epoch) for state in states if state.is_followed(epoch)]
    if followed:
        return Progress(min(followed), is_followed=True)
    known = [state.count_of(epoch) for state in states if state.is_known(epoch)]
    return Progress(min(known), is_followed=False) if known else None


class MissingUpdates(NamedTuple):
    """The updates that a service lacks and another one has seen.

    :ivar coming: the updates that may still come: epochs to counts
    :ivar is_behind: it lacks others that can no longer come
    :ivar unknown: updates of runs that a state may still hear of: epochs to counts
    :ivar unknown_until: when those must belong to other states, in seconds of `time.monotonic`
    :ivar is_unknown_likely: False if a state has heard its publisher since they began: what it
        heard may be the last of the run before
    """

    coming: Seen
    is_behind: bool
    unknown: Seen
    unknown_until: float
    is_unknown_likely: bool = True


NOTHING = MissingUpdates({}, is_behind=False, unknown={}, unknown_until=0.0)


def missing_updates(
    seen: Seen,
    states: Collection[FollowedState],
    now: float,
    catch_up_s: float,
    wall_ns: Callable[[], int],
) -> MissingUpdates:
    """Return the updates that a service lacks and another one has seen.

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
        return MissingUpdates(coming, is_behind, {}, 0.0)
    wall = wall_ns()
    likely, until = 0.0, {}
    for epoch in nlargest(MOST_UNKNOWN, unknown):
        started_at = now + (epoch - wall) * _NS
        by = max(_heard_by(state, started_at, now, catch_up_s) for state in states)
        likely = max(likely, by)
        until[epoch] = max(by, *(_over_by(state, started_at) for state in states))
    unknown = {epoch: unknown[epoch] for epoch, by in until.items() if by > now}
    return MissingUpdates(
        coming, is_behind, unknown, max(until.values()), is_unknown_likely=likely > now
    )


def _heard_by(state: FollowedState, started_at: float, now: float, catch_up_s: float) -> float:
    """Return until when a state may hear of an unknown run; a time before `now` means it will not.

    :param started_at: when the run began
    """
    by = 0.0
    # if the publisher's clock is ahead of ours, the start seems to lie in the future
    is_young = abs(now - started_at) < state.stale_after_s
    if state.heard_at is None:
        by = state.opened_at + catch_up_s
    if is_young and state.has_many:
        by = max(by, started_at + catch_up_s)
    elif is_young and (state.heard_at is None or started_at > state.heard_at):
        by = max(by, started_at + state.stale_after_s)
    return by


def _over_by(state: FollowedState, started_at: float) -> float:
    """Return until when what a state heard after a run's start may come from the run before."""
    may_be = state.heard_at is not None and started_at < state.heard_at < started_at + LATE_S
    return started_at + min(LATE_S, state.stale_after_s) if may_be else 0.0
