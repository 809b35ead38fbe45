"""The names of a fleet's actors."""

from __future__ import annotations

from sf_actors.fleet.ray.names import CONTROL, actor_name, latest


def test_the_first_actor_of_an_instance_is_called_as_it_is() -> None:
    assert actor_name("pricer#2", 0) == "pricer#2"


def test_the_latest_actor_of_each_instance_counts() -> None:
    names = [actor_name("pricer#2", number) for number in (10, 0, 9)]

    assert latest([*names, "book", CONTROL]) == {"pricer#2": 10, "book": 0}
