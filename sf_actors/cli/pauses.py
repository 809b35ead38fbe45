"""Waiting between two looks at what nobody tells of; whoever reads our output may go meanwhile."""

from __future__ import annotations

import select
import sys
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

#: Between two looks at something that is awaited, in seconds.
LOOK_S = 0.1


def pause(seconds: float) -> None:
    """Wait.

    :raises BrokenPipeError: who read our standard output has gone
    """
    poller = select.poll()
    # errors and hang-ups are told of whatever is asked for
    poller.register(sys.stdout.fileno(), 0)
    deadline = monotonic() + seconds
    while (left := deadline - monotonic()) > 0:
        if poller.poll(int(left * 1000) + 1):
            raise BrokenPipeError


def looked_for(
    look: Callable[[], _Found | None], *, deadline: float | None, between_s: float = LOOK_S
) -> _Found | None:
    """Look until something is found, or the time is over; a process that starts tells nobody.

    :param deadline: of the monotonic clock; None: no end
    :raises BrokenPipeError: who read our standard output has gone
    """
    while (found := look()) is None:
        left = between_s if deadline is None else deadline - monotonic()
        if left <= 0:
            return None
        pause(min(between_s, left))
    return found
