"""The levels of `after`."""

from __future__ import annotations

from sf_actors.fleet.levels import levels_of


def test_a_service_is_one_level_above_the_highest_that_it_comes_after() -> None:
    after = {"d": ("a", "c"), "c": ("b",), "b": ("a",), "a": ()}
    assert levels_of(after) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_a_chain_may_be_longer_than_the_stack_of_python() -> None:
    after = {f"s{i}": (f"s{i + 1}",) for i in range(3000)}
    assert levels_of(after)["s0"] == 3000
