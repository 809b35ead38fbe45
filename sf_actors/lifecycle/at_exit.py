"""Stops the services that still run when the process ends."""

from __future__ import annotations

import atexit
import threading
import weakref
from contextlib import suppress
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


_services: set[weakref.ref[Stoppable]] = set()


def remember(service: Stoppable) -> None:
    """Have a service stopped at the end of the process, if it still runs and is referenced."""
    _services.add(weakref.ref(service, _services.discard))


def _stop_all() -> None:
    """Stop all running services at the end of the process; their deadlines run in parallel.

    It starts no thread: from Python 3.12 on that is impossible this late.
    """
    # list() of the set is one step, where other threads still make services
    found = [service() for service in list(_services)]
    running = [service for service in found if service is not None and service.is_running]
    for service in running:
        service.begin_stop()
    for service in running:
        service.stop_service()


_before_joining = getattr(threading, "_register_atexit", atexit.register)
# before the interpreter joins threads of user code, which may be waiting for ServiceStopped
with suppress(RuntimeError):  # imported after the main thread has ended
    # and before pools wait for theirs: what is registered last, with an import, is called first
    import concurrent.futures.thread  # noqa: F401

    _before_joining(_stop_all)
# after that: what those threads have started meanwhile
atexit.register(_stop_all)
