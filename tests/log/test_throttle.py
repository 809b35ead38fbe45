"""What is logged when the same thing happens again and again."""

from __future__ import annotations

from sf_actors.log.throttle import MAX_REASONS, WARNING_INTERVAL_S, Throttle

#: A moment at which nothing was logged for long.
NOW = 1000.0


def test_the_first_line_is_let_through_with_nothing_left_out() -> None:
    assert Throttle().admit("undecodable", NOW) == 0


def test_the_same_reason_is_left_out_until_the_interval_is_over() -> None:
    throttle = Throttle()
    throttle.admit("undecodable", NOW)

    assert throttle.admit("undecodable", NOW) is None
    assert throttle.admit("undecodable", NOW + WARNING_INTERVAL_S - 0.1) is None


def test_the_next_line_says_how_many_were_left_out() -> None:
    throttle = Throttle()
    for _ in range(4):
        throttle.admit("undecodable", NOW)

    assert throttle.admit("undecodable", NOW + WARNING_INTERVAL_S) == 3
    assert throttle.admit("undecodable", NOW + 2 * WARNING_INTERVAL_S) == 0


def test_another_reason_is_let_through() -> None:
    throttle = Throttle()
    throttle.admit("undecodable", NOW)

    assert throttle.admit("invalid", NOW) == 0


def test_a_burst_lets_a_few_lines_of_each_interval_through() -> None:
    throttle = Throttle(1.0, burst=3)

    assert [throttle.admit("x", NOW) for _ in range(5)] == [0, 0, 0, None, None]
    assert [throttle.admit("x", NOW + 1) for _ in range(4)] == [2, 0, 0, None]


def test_reasons_that_peers_make_up_fill_no_memory_and_are_let_through_no_faster() -> None:
    throttle = Throttle()
    said = [throttle.admit(f"reason {number}", NOW) for number in range(10_000)]

    let_through = [left_out for left_out in said if left_out is not None]
    assert len(let_through) == MAX_REASONS + 1
    assert len(throttle._windows) == MAX_REASONS + 1


def test_of_made_up_reasons_none_is_left_uncounted() -> None:
    throttle = Throttle()
    said = [throttle.admit(f"reason {number % 1000}", NOW) for number in range(10_000)]
    later = [throttle.admit("another", NOW + WARNING_INTERVAL_S) for _ in range(1)]

    let_through = [left_out for left_out in said + later if left_out is not None]
    assert sum(let_through) + len(let_through) == 10_001


def test_a_reason_finds_a_place_again_once_others_are_over() -> None:
    throttle = Throttle()
    for number in range(10_000):
        throttle.admit(f"reason {number}", NOW)
    later = NOW + WARNING_INTERVAL_S
    throttle.admit("first", later)

    assert throttle.admit("second", later) == 0
    assert throttle.admit("first", later) is None
