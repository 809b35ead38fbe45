"""Which of the calls that wait may run: in order within a key, side by side otherwise."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.user_code.call_order import NO_KEY, CallOrder

if TYPE_CHECKING:
    from collections.abc import Hashable

#: add a call with this key; end one of those that run; take one; forget all that wait
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["a", "b", "c", None])),
        st.tuples(st.just("end"), st.integers(0, 10)),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("forget"), st.none()),
    ),
    max_size=60,
)


def taken(order: CallOrder[int]) -> list[int]:
    """Take all that may run."""
    found = []
    while (one := order.take()) is not None:
        found.append(one[0])
    return found


def test_calls_without_a_key_all_run_at_once_in_the_order_in_which_they_came() -> None:
    order: CallOrder[int] = CallOrder()

    assert [order.add(number) for number in range(3)] == [True, True, True]
    assert taken(order) == [0, 1, 2]
    assert order.running == 3


def test_of_equal_keys_one_runs_at_a_time() -> None:
    order: CallOrder[int] = CallOrder()
    order.add(1, "a")
    order.add(2, "a")
    order.add(3, "b")

    assert taken(order) == [1, 3]
    order.end("a")
    assert taken(order) == [2]


def test_a_long_line_holds_up_no_other() -> None:
    order: CallOrder[int] = CallOrder()
    for number in range(10):
        order.add(number, "long")
    order.add(10, "short")

    first = order.take()
    order.end("long")
    second = order.take()

    assert (first, second) == ((0, "long"), (10, "short"))


def test_a_key_is_forgotten_with_its_last_call() -> None:
    order: CallOrder[int] = CallOrder()
    order.add(1, "a")
    order.take()
    order.end("a")

    assert order.add(2, "a")


def test_what_is_forgotten_does_not_hold_up_what_comes_later() -> None:
    order: CallOrder[int] = CallOrder()
    order.add(1, "a")
    order.add(2, "a")
    order.add(3)

    assert sorted(order.take_all()) == [1, 2, 3]
    assert order.add(4, "a")
    assert taken(order) == [4]


def test_keys_that_are_equal_are_one_key_whatever_their_type() -> None:
    order: CallOrder[int] = CallOrder()
    order.add(1, 1)

    assert not order.add(2, 1.0)


@pytest.mark.slow
@given(STEPS)
def test_within_a_key_calls_begin_in_order_and_never_together(
    steps: list[tuple[str, str | int | None]],
) -> None:
    order: CallOrder[int] = CallOrder()
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    running: list[tuple[int, Hashable]] = []
    for number, (step, given_) in enumerate(steps):
        if step == "add":
            key = NO_KEY if given_ is None else given_
            order.add(number, key)
            waiting[key].append(number)
        elif step == "take":
            found = order.take()
            busy = {key for _, key in running if key is not NO_KEY}
            free = [key for key, line in waiting.items() if line and key not in busy]
            assert (found is not None) == bool(free)
            if found is not None:
                call, key = found
                assert key in free
                assert call == waiting[key].pop(0)
                running.append((call, key))
        elif step == "end" and running:
            assert isinstance(given_, int)
            _, key = running.pop(given_ % len(running))
            order.end(key)
        elif step == "forget":
            assert sorted(order.take_all()) == sorted(chain(*waiting.values()))
            waiting.clear()
        assert len(order) == sum(map(len, waiting.values()))
        assert order.running == len(running)
