"""What a service lacks of what another one has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors.replication.missing_updates import LATE_S, MOST_UNKNOWN, MissingUpdates
from sf_actors.replication.missing_updates import missing_updates as missing_updates_at
from tests.replication.runs import FollowedRuns, run_of

if TYPE_CHECKING:
    from collections.abc import Collection

NOW = 100.0
CATCH_UP_S = 1.0


def missing_updates(seen: dict[int, int], states: Collection[FollowedRuns]) -> MissingUpdates:
    return missing_updates_at(seen, states, NOW, CATCH_UP_S, lambda: run_of(NOW))


def following(epoch: int, count: int) -> FollowedRuns:
    return FollowedRuns({epoch: count}, followed=epoch, heard_at=NOW)


def is_nothing(found: MissingUpdates) -> bool:
    return not found.coming and not found.is_behind and not found.unknown


@pytest.mark.parametrize("count", [-5, 0, 6, 7])
def test_what_is_in_the_value_is_not_lacking(count: int) -> None:
    assert is_nothing(missing_updates({1: count}, [following(1, 7)]))


def test_what_a_followed_run_has_beyond_the_value_is_coming() -> None:
    found = missing_updates({1: 8}, [following(1, 7)])
    assert (found.coming, found.is_behind) == ({1: 8}, False)


def test_a_run_that_was_only_heard_so_far_is_coming_from_its_first_update_on() -> None:
    assert missing_updates({1: 0}, [following(1, -1)]).coming == {1: 0}


def test_a_run_of_another_state_is_of_no_matter() -> None:
    assert is_nothing(missing_updates({9: 8}, [following(1, 7)]))


def test_who_follows_nothing_lacks_nothing() -> None:
    assert is_nothing(missing_updates({1: 8}, []))


def test_of_a_run_that_is_followed_no_more_nothing_is_coming() -> None:
    state = FollowedRuns({1: 7, 2: 3}, followed=2, heard_at=NOW)

    assert is_nothing(missing_updates({1: 7}, [state]))
    assert missing_updates({1: 8}, [state])[:2] == ({}, True)
    assert missing_updates({1: 8, 2: 4}, [state])[:2] == ({2: 4}, True)


def test_of_two_states_that_follow_one_run_the_slower_counts() -> None:
    assert missing_updates({1: 7}, [following(1, 7), following(1, 6)]).coming == {1: 7}


def test_a_state_that_follows_a_run_counts_before_one_that_has_followed_it() -> None:
    before = FollowedRuns({1: 3, 2: 0}, followed=2, heard_at=NOW)

    assert is_nothing(missing_updates({1: 7}, [before, following(1, 7)]))
    assert missing_updates({1: 8}, [before, following(1, 7)]).coming == {1: 8}


def test_an_unknown_run_may_be_that_of_a_state_that_was_just_opened() -> None:
    states = [FollowedRuns(opened_at=opened_at) for opened_at in (98.0, 99.25, 99.5)]

    assert is_nothing(missing_updates({9: 0}, states[:1]))
    assert missing_updates({9: 0}, states) == MissingUpdates(
        {}, is_behind=False, unknown={9: 0}, unknown_until=100.5
    )
    assert is_nothing(missing_updates({9: -1}, states))


@pytest.mark.parametrize(
    ("started_at", "heard_at", "is_awaited"),
    [
        (99.5, 99.4, True),
        (99.5, 20.0, True),
        (99.5, None, True),
        (99.4, 99.95, False),
        (99.4, 99.6, False),
        # its clock is ahead of ours
        (100.5, 100.0, True),
        (103.5, 100.0, False),
        # the state would have heard of it by now
        (96.9, 96.0, False),
    ],
)
def test_an_unknown_run_may_be_that_of_a_state_that_has_not_been_heard_since_it_began(
    started_at: float, heard_at: float | None, is_awaited: bool
) -> None:
    state = FollowedRuns({1: 7}, followed=1, heard_at=heard_at)
    run = run_of(started_at)

    found = missing_updates({run: 3}, [state, following(2, 0)])

    assert found.unknown == ({run: 3} if is_awaited else {})
    assert not is_awaited or found.unknown_until == pytest.approx(started_at + 3.0)
    assert (found.coming, found.is_behind) == ({}, False)


def test_the_last_messages_of_the_run_before_may_be_read_after_the_new_one_has_begun() -> None:
    states = [FollowedRuns({1: 7}, followed=1, heard_at=99.9)]
    run = run_of(99.8)

    found = missing_updates({run: 3}, states)

    assert found.unknown == {run: 3}
    assert found.unknown_until == pytest.approx(99.8 + LATE_S)


def test_of_many_publishers_any_may_just_have_begun_although_others_are_heard() -> None:
    state = FollowedRuns({1: 7}, followed=1, heard_at=NOW, has_many=True)
    young, old = run_of(99.5), run_of(98.9)

    found = missing_updates({young: 0, old: 0}, [state])

    assert found.unknown == {young: 0}
    assert found.unknown_until == pytest.approx(100.5)


def test_of_many_unknown_runs_the_youngest_are_thought_about() -> None:
    state = FollowedRuns({1: 7}, followed=1, heard_at=90.0)
    runs = [run_of(99.0 + number / 100) for number in range(MOST_UNKNOWN + 5)]

    found = missing_updates(dict.fromkeys(runs, 0), [state])

    assert sorted(found.unknown) == runs[5:]
