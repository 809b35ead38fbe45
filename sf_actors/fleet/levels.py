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

    def level_of(service: str) -> int:
        if service not in levels:
            below = [level_of(one) for one in after.get(service, ())]
            levels[service] = max(below, default=-1) + 1
        return levels[service]

    for service in after:
        level_of(service)
    return levels
