"""What the course of a fleet wants to be done, as data; and ends of processes in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """Run an instance."""

    name: str


@dataclass(frozen=True)
class Signal:
    """Send a signal to an instance."""

    name: str
    number: int


@dataclass(frozen=True)
class Kill:
    """End an instance and all that it has started, at once."""

    name: str


@dataclass(frozen=True)
class Say:
    """Tell of an instance.

    :ivar is_bad: whether it is a warning
    """

    name: str
    text: str
    is_bad: bool = False


@dataclass(frozen=True)
class Finish:
    """Leave; nothing runs any more, or all was told to be killed.

    :ivar status: the fleet's exit status
    :ivar is_at_once: whether what still runs is not waited for
    """

    status: int
    is_at_once: bool = False


Action = Start | Signal | Kill | Say | Finish


def exit_status(status: int) -> int:
    """Return the exit status that stands for an end; `status` is negative for a signal."""
    return 128 - status if status < 0 else status


def shown_end(status: int) -> str:
    """Return how a process has ended in words."""
    if status >= 0:
        return f"ended with {status}" if status else "ended 0"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"ended by {name}"
