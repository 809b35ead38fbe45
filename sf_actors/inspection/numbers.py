"""The verb `stats`: the numbers of the services of this process, and of the process itself."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, Final

from sf_actors.inspection.iso_time import iso_time
from sf_actors.inspection.running import running_in
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.lifecycle.stats import stats_of
from sf_actors.sockets.peers import KernelTables

if TYPE_CHECKING:
    from sf_actors.lifecycle.residents import Resident

_SELF: Final = Path("/proc/self")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


def numbers_of(resident: Resident, tables: KernelTables | None = None) -> dict[str, Any]:
    """Return `Service.stats()`, with a name that is unique in the process; any thread.

    :param tables: the kernel's socket tables, if shared by several services
    """
    state = resident.state
    found = resident.service.stats() if state is None else stats_of(state, tables)
    return found | {"service": resident.name}


def numbers_of_all() -> list[dict[str, Any]]:
    """Return the numbers of all services of this process; any thread."""
    tables = KernelTables()
    return [numbers_of(resident, tables) for resident in RESIDENTS.all]


def all_numbers_of(resident: Resident, tables: KernelTables | None = None) -> dict[str, Any]:
    """Return the numbers of a service, and its long-running calls; any thread."""
    return {
        "service": numbers_of(resident, tables),
        "running": running_in(resident),
        # tells runs with the same name apart
        "started_at": iso_time(resident.started_at),
        "stuck_after_s": RESIDENTS.stuck_after_s,
    }


def process_numbers() -> dict[str, Any]:
    """Return the numbers of this process, None for those that are unavailable; any thread."""
    return {
        "cpu_s": process_time(),
        "rss_bytes": _resident_bytes(),
        "threads": _entries("task") or threading.active_count(),
        "descriptors": _entries("fd"),
    }


def _resident_bytes() -> int:
    try:
        return int((_SELF / "statm").read_text().split()[1]) * _PAGE
    except OSError:
        # the peak, in kilobytes, or on macOS in bytes
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _entries(folder: str) -> int | None:
    try:
        return sum(1 for _ in (_SELF / folder).iterdir())
    except OSError:
        return None
