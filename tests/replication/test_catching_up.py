"""Requests that wait until their service has what their callers have seen."""

from __future__ import annotations

from itertools import count

import pytest

from sf_actors.replication.catching_up import LOOK_AGAIN_S, OUTDATED, CatchingUp
from sf_actors.replication.missing_updates import LATE_S
from tests.replication.runs import FollowedRuns, run_of

EPOCH = 10


class Waiting:
    """Requests that wait for up to a second, three at most, and one state, followed up to 5."""

    def __init__(self, *states: FollowedRuns, most: int = 3) -> None:
        self.state = FollowedRuns({EPOCH: 5}, followed=EPOCH, heard_at=99.0)
        self.states = states or (self.state,)
        self.behind = 0
        self.now = 100.0
        self._number = count()
        self.requests: CatchingUp[str] = CatchingUp(
            self.states,
            catch_up_s=1.0,
            most=most,
            count_behind=self._count,
            wall_ns=lambda: run_of(self.now),
        )

    def _count(self) -> None:
        self.behind += 1

    def keep(
        self, name: str, seen: dict[int, int], peer: str = "", expires_at: float | None = None
    ) -> bool:
        """Bring a request; by default of a peer of its own."""
        return self.requests.keep(self.now, name, peer or name, seen, expires_at)

    def ready(self) -> list[str]:
        return self.requests.take_ready(self.now)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.mark.parametrize("seen", [{}, {EPOCH: 5}, {EPOCH: 0}, {EPOCH: -1}, {99: 8}])
def test_a_request_whose_caller_has_seen_no_more_goes_on(
    waiting: Waiting, seen: dict[int, int]
) -> None:
    assert not waiting.keep("a", seen)
    assert (len(waiting.requests), waiting.behind, waiting.requests.next_deadline) == (0, 0, None)


def test_a_request_goes_on_when_the_value_has_what_its_caller_has_seen(waiting: Waiting) -> None:
    assert waiting.keep("a", {EPOCH: 7})
    assert waiting.ready() == []
    waiting.state.counts[EPOCH] = 6
    assert waiting.ready() == []
    waiting.state.counts[EPOCH] = 8
    assert waiting.ready() == ["a"]
    assert (len(waiting.requests), waiting.behind, waiting.requests.next_deadline) == (0, 0, None)


def test_a_request_goes_on_without_when_its_time_is_over_and_is_counted(waiting: Waiting) -> None:
    assert waiting.keep("a", {EPOCH: 7})
    assert waiting.requests.next_deadline == 101.0
    waiting.now = 100.9
    assert waiting.ready() == []
    waiting.now = 101.0
    assert waiting.ready() == ["a"]
    assert (waiting.behind, waiting.requests.next_deadline) == (1, None)


def test_one_that_has_gone_on_without_does_not_come_again(waiting: Waiting) -> None:
    waiting.keep("a", {EPOCH: 7})
    waiting.now = 101.0
    waiting.ready()
    waiting.state.counts[EPOCH] = 8

    assert waiting.ready() == []


def test_others_pass_one_that_waits(waiting: Waiting) -> None:
    assert waiting.keep("a", {EPOCH: 7})
    assert not waiting.keep("b", {EPOCH: 5})
    assert waiting.keep("c", {EPOCH: 6})
    waiting.state.counts[EPOCH] = 6
    assert waiting.ready() == ["c"]


def test_the_requests_of_one_peer_stay_in_order(waiting: Waiting) -> None:
    assert waiting.keep("a", {EPOCH: 7}, "p")
    assert waiting.keep("b", {EPOCH: 6}, "p")
    assert waiting.keep("c", {}, "p")
    waiting.state.counts[EPOCH] = 6
    assert waiting.ready() == []
    waiting.state.counts[EPOCH] = 7
    assert waiting.ready() == ["a", "b", "c"]
    assert not waiting.keep("d", {}, "p")


def test_a_request_behind_one_that_waits_has_no_longer_to_wait_than_that(waiting: Waiting) -> None:
    waiting.keep("a", {EPOCH: 7}, "p")
    waiting.now = 100.5
    waiting.keep("b", {}, "p")
    waiting.now = 101.0
    assert waiting.ready() == ["a", "b"]
    assert waiting.behind == 1


def test_a_request_waits_for_all_the_states_that_its_caller_has_seen() -> None:
    first, second = FollowedRuns({1: 0}, followed=1), FollowedRuns({2: 0}, followed=2)
    waiting = Waiting(first, second)
    waiting.keep("a", {1: 1, 2: 1})
    first.counts[1] = 1
    assert waiting.ready() == []
    second.counts[2] = 1
    assert waiting.ready() == ["a"]
    assert waiting.behind == 0


def test_what_waits_goes_on_when_its_run_is_followed_no_more(waiting: Waiting) -> None:
    waiting.keep("a", {EPOCH: 7})
    waiting.state.hear(EPOCH + 1)
    assert waiting.ready() == ["a"]
    assert waiting.behind == 1


def test_what_has_seen_a_run_that_is_followed_no_more_goes_on_at_once(waiting: Waiting) -> None:
    waiting.state.hear(EPOCH + 1)
    assert not waiting.keep("a", {EPOCH: 7})
    assert waiting.behind == 1


def test_who_expires_first_goes_on_then_and_is_not_counted(waiting: Waiting) -> None:
    waiting.keep("a", {EPOCH: 7}, expires_at=100.2)
    assert waiting.requests.next_deadline == 100.2
    waiting.now = 100.2
    assert waiting.ready() == ["a"]
    assert waiting.behind == 0


def test_when_too_many_wait_the_first_of_the_peer_with_most_goes_on(waiting: Waiting) -> None:
    waiting.keep("honest", {EPOCH: 6})
    for name in ("x", "y"):
        waiting.keep(name, {EPOCH: 2**60}, "liar")
    assert waiting.ready() == []
    waiting.keep("z", {EPOCH: 2**60}, "liar")
    assert waiting.ready() == ["x"]
    assert (len(waiting.requests), waiting.behind) == (3, 1)
    waiting.state.counts[EPOCH] = 6
    assert waiting.ready() == ["honest"]


def test_what_is_kept_of_false_claims_does_not_grow(waiting: Waiting) -> None:
    for number in range(1_000):
        waiting.keep(f"{number}", {EPOCH: 2**60 + number}, f"{number}")
        waiting.ready()
        kept = [*waiting.requests._lacking.values(), waiting.requests._deadlines]
        assert sum(map(len, kept)) <= 2 * 3 + OUTDATED + 3
    assert len(waiting.requests) == waiting.requests._unready == 3


def test_all_that_wait_are_given_back_at_the_stop(waiting: Waiting) -> None:
    waiting.keep("a", {EPOCH: 7}, "p")
    waiting.keep("b", {}, "p")
    assert waiting.requests.take_all() == ["a", "b"]
    assert (len(waiting.requests), waiting.ready()) == (0, [])


# a state that has heard of no run since it was opened, at 99.5


@pytest.fixture
def early() -> Waiting:
    return Waiting(FollowedRuns(opened_at=99.5))


def heard(waiting: Waiting, epoch: int, count: int, state: int = 0) -> None:
    waiting.now += LOOK_AGAIN_S
    waiting.states[state].hear(epoch, count, waiting.now)


def test_an_unknown_run_is_waited_for_until_the_state_has_heard_of_its_own(early: Waiting) -> None:
    assert early.keep("a", {7: 2})
    assert early.ready() == []
    heard(early, 7, -1)
    assert early.ready() == []
    heard(early, 7, 2)
    assert early.ready() == ["a"]
    assert early.behind == 0


def test_if_it_is_of_another_state_it_is_waited_for_no_longer_and_not_counted(
    early: Waiting,
) -> None:
    early.keep("a", {7: 2})
    heard(early, 8, -1)
    assert early.ready() == ["a"]
    assert early.behind == 0


def test_an_unknown_run_is_waited_for_only_soon_after_the_opening(early: Waiting) -> None:
    early.keep("a", {7: 2})
    assert early.requests.next_deadline == 100.5
    early.now = 100.5
    assert early.ready() == ["a"]
    assert early.behind == 1
    assert not early.keep("b", {7: 2})
    assert early.behind == 1


def test_one_that_waits_for_both_a_run_and_a_state_that_has_heard_of_none_waits_for_both() -> None:
    waiting = Waiting(FollowedRuns({1: 0}, followed=1, heard_at=99.0), FollowedRuns(opened_at=99.5))
    waiting.keep("a", {1: 1, 7: 2})
    waiting.states[0].hear(1, 1)
    assert waiting.ready() == []
    heard(waiting, 7, 2, state=1)
    assert waiting.ready() == ["a"]


# a state whose publisher was heard last at 99.0, and a run that began later


@pytest.fixture
def run(waiting: Waiting) -> int:
    return run_of(99.9)


def test_a_run_that_began_since_the_publisher_was_heard_is_waited_for(
    waiting: Waiting, run: int
) -> None:
    assert waiting.keep("a", {run: 2})
    assert waiting.ready() == []
    heard(waiting, run, 1)
    assert waiting.ready() == []
    heard(waiting, run, 2)
    assert waiting.ready() == ["a"]
    assert (waiting.behind, waiting.requests.next_deadline) == (0, None)


def test_if_it_is_not_heard_of_its_request_goes_on_in_time_and_is_counted(
    waiting: Waiting, run: int
) -> None:
    waiting.keep("a", {run: 2})
    assert waiting.requests.next_deadline == 101.0
    waiting.now = 101.0
    assert waiting.ready() == ["a"]
    assert waiting.behind == 1


def test_if_the_publisher_is_heard_again_the_run_is_of_another_state(
    waiting: Waiting, run: int
) -> None:
    waiting.keep("a", {run: 2})
    waiting.now = 99.9 + LATE_S
    heard(waiting, EPOCH, 5)
    assert waiting.ready() == ["a"]
    assert not waiting.keep("b", {run: 2})
    assert waiting.behind == 0


def test_what_the_publisher_before_has_sent_at_its_end_does_not_tell(
    waiting: Waiting, run: int
) -> None:
    waiting.keep("a", {run: 2})
    heard(waiting, EPOCH, 5)
    assert waiting.ready() == []
    assert waiting.keep("b", {run: 2})
    heard(waiting, run, 2)
    assert waiting.ready() == ["a", "b"]
    assert waiting.behind == 0


def test_of_another_state_it_goes_on_soon_and_is_not_counted(waiting: Waiting, run: int) -> None:
    heard(waiting, EPOCH, 5)
    waiting.keep("a", {run: 2})
    assert waiting.requests.next_deadline == pytest.approx(99.9 + LATE_S)
    waiting.now = 99.9 + LATE_S + 0.001
    assert waiting.ready() == ["a"]
    assert waiting.behind == 0


def test_a_look_that_comes_too_soon_after_another_is_made_up_for(
    waiting: Waiting, run: int
) -> None:
    waiting.keep("a", {run: 2})
    assert waiting.ready() == []
    waiting.now += LOOK_AGAIN_S / 2
    waiting.state.hear(run, 2, waiting.now)
    assert waiting.ready() == []
    assert waiting.requests.next_deadline == 100.0 + LOOK_AGAIN_S
    waiting.now = 100.0 + LOOK_AGAIN_S
    assert waiting.ready() == ["a"]
    assert (waiting.behind, waiting.requests.next_deadline) == (0, None)
