"""What a service lacks of what another one has seen."""

from __future__ import annotations

import pytest

from sf_actors.replication.lack import NOTHING, Lack, lack
from tests.replication.runs import FollowedRuns


def following(epoch: int, count: int) -> FollowedRuns:
    return FollowedRuns({epoch: count}, followed=epoch)


@pytest.mark.parametrize("count", [-5, 0, 6, 7])
def test_what_is_in_the_value_is_not_lacking(count: int) -> None:
    assert lack({1: count}, [following(1, 7)]) == NOTHING


def test_what_a_followed_run_has_beyond_the_value_is_coming() -> None:
    assert lack({1: 8}, [following(1, 7)]) == Lack({1: 8}, is_behind=False, unheard_since=None)


def test_a_run_that_was_only_heard_so_far_is_coming_from_its_first_update_on() -> None:
    assert lack({1: 0}, [following(1, -1)]).coming == {1: 0}


def test_a_run_of_another_state_is_of_no_matter() -> None:
    assert lack({9: 8}, [following(1, 7)]) == NOTHING


def test_who_follows_nothing_lacks_nothing() -> None:
    assert lack({1: 8}, []) == NOTHING


def test_of_a_run_that_is_followed_no_more_nothing_is_coming() -> None:
    state = FollowedRuns({1: 7, 2: 3}, followed=2)

    assert lack({1: 7}, [state]) == NOTHING
    assert lack({1: 8}, [state]) == Lack({}, is_behind=True, unheard_since=None)
    assert lack({1: 8, 2: 4}, [state]) == Lack({2: 4}, is_behind=True, unheard_since=None)


def test_of_two_states_that_follow_one_run_the_slower_counts() -> None:
    assert lack({1: 7}, [following(1, 7), following(1, 6)]).coming == {1: 7}


def test_a_state_that_follows_a_run_counts_before_one_that_has_followed_it() -> None:
    before = FollowedRuns({1: 3, 2: 0}, followed=2)

    assert lack({1: 7}, [before, following(1, 7)]) == NOTHING
    assert lack({1: 8}, [before, following(1, 7)]).coming == {1: 8}


def test_an_unknown_run_may_be_that_of_a_state_that_has_heard_of_none() -> None:
    states = [following(1, 7), FollowedRuns(unheard_since=5.0), FollowedRuns(unheard_since=6.0)]

    assert lack({1: 7}, states) == NOTHING
    assert lack({9: 0}, states) == Lack({}, is_behind=False, unheard_since=6.0)
    assert lack({9: -1}, states) == NOTHING
