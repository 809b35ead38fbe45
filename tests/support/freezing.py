"""Freezes a process: it is there, and does nothing until it is killed or continued."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.waiting import until


def freeze(pid: int) -> None:
    """Send SIGSTOP and wait until every thread has stopped, which may take a busy machine long."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: states_of(pid) == {"T"}, "all threads stopped")


def states_of(pid: int) -> set[str]:
    """Return the states of a process's threads, as proc(5) has them."""
    states = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # the name in parentheses may hold anything
            states.add(path.read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return states
