"""Waits for what sends no event, such as a starting process.

Each wait ends early if the reader of standard output goes away.
"""

from __future__ import annotations

import select
import sys
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

#: The usual time between two looks, in seconds.
LOOK_S = 0.1


def pause(seconds: float) -> None:
    """Wait.

    :raises BrokenPipeError: the reader of standard output has gone
    """
    poller = select.poll()
    # poll() reports errors and hang-ups even if no event is asked for
    poller.register(sys.stdout.fileno(), 0)
    deadline = monotonic() + seconds
    while (left := deadline - monotonic()) > 0:
        if poller.poll(int(left * 1000) + 1):
            raise BrokenPipeError


def poll_until(
    look: Callable[[], _Found | None], *, deadline: float | None, between_s: float = LOOK_S
) -> _Found | None:
    """Call `look` until it returns something, or until the deadline.

    :param deadline: of the monotonic clock; None: no end
    :returns: what `look` returned, None at the deadline
    :raises BrokenPipeError: the reader of standard output has gone
    """
    while (found := look()) is None:
        left = between_s if deadline is None else deadline - monotonic()
        if left <= 0:
            return None
        pause(min(between_s, left))
    return found
