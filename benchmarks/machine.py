"""Describes the machine and the versions behind the figures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zmq

from benchmarks import peers

_OURS = ("sf_actors", "pyzmq", "msgspec", "pykka", "structlog")


def described() -> dict[str, object]:
    """Return the machine and the versions, ready for JSON."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "libzmq": zmq.zmq_version(),
        "versions": {name: _version(name) for name in _OURS} | peers.versions(),
    }


def in_short() -> str:
    """Return the machine in one line."""
    known = described()
    load = os.getloadavg()[0]
    return (
        f"{known['processor']}, {known['cores']} cores, {known['system']}, "
        f"Python {known['python']}, libzmq {known['libzmq']}, load {load:.1f}"
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.machine()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "from the working tree"
