"""Stops the services that still run when the process ends."""

from __future__ import annotations

import atexit
import threading
import weakref
from typing import Protocol


class Stoppable(Protocol):
    """A service as the end of the process sees it."""

    @property
    def is_running(self) -> bool:
        """True from the start of a run to its end."""

    def begin_stop(self) -> None:
        """Begin a stop and its deadline without waiting."""

    def stop_service(self) -> None:
        """Stop within the deadline."""


_services: weakref.WeakSet[Stoppable] = weakref.WeakSet()


def remember(service: Stoppable) -> None:
    """Have a service stopped at the end of the process, if it still runs and is referenced."""
    _services.add(service)


def _stop_all() -> None:
    """Stop all running services at the end of the process; their deadlines run in parallel.

    It starts no thread: from Python 3.12 on that is impossible this late.
    """
    running = [service for service in _services if service.is_running]
    for service in running:
        service.begin_stop()
    for service in running:
        service.stop_service()


# before the interpreter joins threads of user code, which may be waiting for ServiceStopped
getattr(threading, "_register_atexit", atexit.register)(_stop_all)
