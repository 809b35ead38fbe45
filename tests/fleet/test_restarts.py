from __future__ import annotations

from sf_actors.fleet.restarts import Restarts


def test_a_failure_is_followed_by_pauses_that_double() -> None:
    restarts = Restarts("on-failure")

    assert [restarts.pause_after(1, now) for now in (0, 1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6, 3.2]


def test_no_more_than_5_restarts_within_60_s() -> None:
    restarts = Restarts("always")
    for now in range(5):
        assert restarts.pause_after(0, now) is not None

    assert restarts.pause_after(0, 10.0) is None
    assert "5 times" in restarts.refusal


def test_a_pause_is_30_s_at_most() -> None:
    restarts = Restarts("on-failure")
    pauses = [restarts.pause_after(1, 70.0 * number) for number in range(12)]

    assert pauses[-1] == 30.0


def test_after_60_s_ready_the_pauses_begin_anew() -> None:
    restarts = Restarts("on-failure")
    restarts.pause_after(1, 0.0)
    restarts.note_ready(1.0)

    assert restarts.pause_after(1, 61.0) == 0.2


def test_59_s_ready_are_not_enough() -> None:
    restarts = Restarts("on-failure")
    restarts.pause_after(1, 0.0)
    restarts.note_ready(1.0)

    assert restarts.pause_after(1, 60.0) == 0.4


def test_a_good_end_is_run_again_only_by_always() -> None:
    assert Restarts("on-failure").pause_after(0, 0.0) is None
    assert Restarts("always").pause_after(0, 0.0) == 0.2


def test_never_is_never() -> None:
    assert Restarts("never").pause_after(1, 0.0) is None


def test_what_could_not_start_is_not_tried_again() -> None:
    restarts = Restarts("always")

    assert restarts.pause_after(2, 0.0) is None
    assert restarts.refusal


def test_what_was_ready_once_is_tried_again_after_an_end_with_2() -> None:
    restarts = Restarts("on-failure")
    restarts.note_ready(0.0)

    assert restarts.pause_after(2, 1.0) == 0.2


def test_one_that_was_ready_is_tried_again_after_a_verb_has_run_it_anew() -> None:
    restarts = Restarts("on-failure")
    restarts.note_ready(1.0)
    for _ in range(4):
        restarts.pause_after(1, 2.0)

    assert restarts.renewed("on-failure").pause_after(2, 3.0) == 0.2
    assert Restarts("on-failure").renewed("on-failure").pause_after(2, 3.0) is None
