"""The verb `info`: what a service is, apart from its numbers."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from sf_actors.version import VERSION

if TYPE_CHECKING:
    from sf_actors.lifecycle.residents import Resident


def info_of(resident: Resident) -> dict[str, Any]:
    """Return what a service is; any thread."""
    return {
        "service": resident.name,
        "pid": os.getpid(),
        "file": file_of(resident.source),
        "started_at": datetime.fromtimestamp(resident.started_at, UTC).isoformat(),
        "python": platform.python_version(),
        "versions": {
            "sf_actors": VERSION,
            "pyzmq": zmq.__version__,
            "libzmq": zmq.zmq_version(),
            "msgspec": msgspec.__version__,
        },
    }


def file_of(source: str | os.PathLike[str] | ModuleType) -> str | None:
    """Return the absolute path of a service file or module; None of a module without a file."""
    path = getattr(source, "__file__", None) if isinstance(source, ModuleType) else source
    return None if path is None else os.path.abspath(path)  # noqa: PTH100 - a path is returned
