"""The actions that a fleet's course asks for, as data; and how process ends are shown."""

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
    """Kill an instance and all processes that it has started."""

    name: str


@dataclass(frozen=True)
class Say:
    """Show a text about an instance.

    :ivar is_bad: it is a warning
    """

    name: str
    text: str
    is_bad: bool = False


@dataclass(frozen=True)
class Finish:
    """End the run of the fleet: nothing runs any more, or a second signal came.

    :ivar status: the fleet's exit status
    :ivar is_at_once: do not wait for what still runs
    """

    status: int
    is_at_once: bool = False


Action = Start | Signal | Kill | Say | Finish


def exit_status(status: int) -> int:
    """Return the exit status of a shell for a process end; `status` is negative for a signal."""
    return 128 - status if status < 0 else status


def shown_end(status: int) -> str:
    """Return a text for the end of a process."""
    if status >= 0:
        return f"ended with {status}" if status else "ended 0"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"ended by {name}"
