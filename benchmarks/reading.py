"""Measures how long reading a value takes, in the process that holds it."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many reads are timed together.
GROUP = 200


def reads(take: Callable[[], Any], key: str, seconds: float) -> dict[str, float]:
    """Time taking the value of a state, and looking up one key in it.

    :param take: returns the state's value; its field `levels` is a mapping
    :returns: take_ns and look_up_ns of a single read, best of many groups
    """
    return {
        "take_ns": _best(take, seconds / 2),
        "look_up_ns": _best(lambda: take()["levels"][key], seconds / 2),
    }


def _best(look: Callable[[], object], seconds: float) -> float:
    best = float("inf")
    until = perf_counter() + seconds
    while perf_counter() < until:
        began = perf_counter()
        for _ in range(GROUP):
            look()
        best = min(best, perf_counter() - began)
    return best / GROUP * 1e9
