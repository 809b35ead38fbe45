"""The levels of `after`: a service is one level above those that it comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def levels_of(after: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the level of each service, from 0 up.

    :param after: the services that each service comes after; without cycles
    """
    levels: dict[str, int] = {}
    waiting = list(after)[::-1]
    while waiting:  # no recursion: a chain may be longer than Python's stack
        service = waiting[-1]
        unknown = [one for one in after.get(service, ()) if one not in levels]
        if unknown and service not in levels:
            waiting += unknown
            continue
        waiting.pop()
        if service not in levels:
            below = [levels[one] for one in after.get(service, ())]
            levels[service] = max(below, default=-1) + 1
    return levels
