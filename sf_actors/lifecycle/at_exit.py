"""Stops the services that still run when the process ends."""

from __future__ import annotations

import atexit
import threading
import weakref
from contextlib import suppress
from functools import cache
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


@cache
def outlast_pools() -> None:
    """Have services stopped before the pools of `concurrent.futures` wait for their threads.

    A thread of a pool may wait for the end of a service. What is registered last is called first,
    and a pool registers itself with its import.
    """
    with suppress(RuntimeError):  # too late: the main thread has ended
        import concurrent.futures.thread  # noqa: F401, PLC0415 - not for a service of its own process

        _before_joining(_stop_all)


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
    _before_joining(_stop_all)
# after that: what those threads have started meanwhile
atexit.register(_stop_all)
