"""Checks durations that users give, in seconds."""

from __future__ import annotations

import threading
from typing import Final, TypeGuard

from sf_actors.errors import UsageError
from sf_actors.wording import shown

#: The longest time that a thread can wait, in seconds.
LONGEST_S: Final = threading.TIMEOUT_MAX

#: The longest that one call of poll(2) or a closed socket of libzmq can wait, in milliseconds: both
#: count them in 32 bits.
LONGEST_POLL_MS: Final = 2**31 - 1

EXPECTED: Final = f"seconds from 0 to {LONGEST_S:.0f}"


def is_seconds(value: object) -> TypeGuard[float]:
    """Return True if a value is a number of seconds that a thread can wait."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # false for NaN too; an int may be too large for a float, with which it can be compared
    return 0 <= value <= LONGEST_S


def seconds(name: str, value: object) -> float:
    """Return an argument of `Service` as seconds.

    :raises UsageError: it is not a valid number of seconds
    """
    if not is_seconds(value):
        raise UsageError(f"Service: {name}: expected {EXPECTED}, got {shown(value)}")
    return float(value)


def longest(name: str, value: object) -> float | None:
    """Return how long a user will wait, in seconds; None and endless times are for ever.

    :param name: the method and its argument, for messages
    :raises UsageError: it is not a number
    """
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # noqa: PLR0124 - NaN
        raise UsageError(f"{name}: expected seconds, or None to wait for ever, got {shown(value)}")
    return float(min(max(0, value), LONGEST_S))


def poll_ms(left_s: float) -> int:
    """Return what to give to poll(2), in milliseconds; of a longer wait it is the first part.

    :param left_s: the time that is left, in seconds; it is rounded up, since 0 would be a busy loop
    """
    return int(min(max(0.0, left_s) * 1000 + 1, LONGEST_POLL_MS))
