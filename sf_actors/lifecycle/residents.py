"""The services that run in this process, with names that are unique in it.

A service enters when its run begins and leaves when the run has ended. The inspector, a layer above
the services, sets callbacks here: for the first run that begins, the last one that ends, and
others.
"""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct, field

from sf_actors.counters import summary
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sf_actors.lifecycle.run_state import RunState
    from sf_actors.user_code.interruptible import UserCode

    #: the source of a service
    Source = str | os.PathLike[str] | ModuleType

#: How long a handler may run before it counts as stuck, in seconds.
STUCK_AFTER_S: Final = 60.0

#: Most failures kept, for a program that makes services with ever new names.
MOST_FAILURES: Final = 100


class ResidentService(Protocol):
    """A service, as the rest of the process sees it; any thread."""

    @property
    def addresses(self) -> dict[str, Any]:
        """Its addresses, with actual ports in place of port 0."""

    @property
    def failure(self) -> BaseException | None:
        """The exception that made it fail, or None."""

    def stats(self) -> dict[str, Any]:
        """Return its numbers."""

    def stop_service(self) -> None:
        """Stop within the deadline."""


class Resident(Struct, eq=False, weakref=True):
    """One run of a service in this process.

    :ivar name: unique in the process: `svc`, `svc#2`
    :ivar source: the path of the service file, or the module
    :ivar loading: the place where the service file runs
    :ivar state: the state of the run; None while it is being loaded
    :ivar started_at: seconds since 1970
    :ivar when_left: called when the run is over, in the thread that ends it
    """

    name: str
    service: ResidentService
    source: Source
    loading: UserCode
    state: RunState | None = None
    started_at: float = field(default_factory=time)
    when_left: list[Callable[[], None]] = field(default_factory=list)


class Residents:
    """The runs of this process, in order of start; any thread.

    :ivar on_first: called with the first resident, in the thread that starts its run, before its
        file is executed
    :ivar command: returns the command of the process, in a form that may be shown; None: not
        started by our command line
    :ivar on_loaded: called with each resident once its file was executed, before anything is
        opened; an exception ends the start
    :ivar on_ready: called with the name of each run that is READY, in the thread that started it
    :ivar on_stopping: called when the stop of a run begins, in the thread that asks for it
    :ivar on_last: called when the last resident has left, before its run counts as ended
    """

    def __init__(self) -> None:
        self._lock = new_rlock()
        #: as keys, so that a run enters and leaves without a copy of all others
        self._residents: dict[Resident, None] = {}
        self._names: set[str] = set()
        #: by name, the lowest number that may be free
        self._free: dict[str, int] = {}
        self.on_first: Callable[[Resident], None] | None = None
        self.on_loaded: Callable[[Resident], None] | None = None
        self.on_ready: Callable[[str], None] | None = None
        self.on_stopping: Callable[[], None] | None = None
        self.on_last: Callable[[], None] | None = None
        self.command: Callable[[], str] | None = None
        #: the limit in this process, after which a handler counts as stuck; 0: never
        self.stuck_after_s = STUCK_AFTER_S
        #: by name, the failures of services that have not been run again since
        self.failures: dict[str, str] = {}

    @property
    def all(self) -> tuple[Resident, ...]:
        """The current runs; a copy, made without a lock."""
        # not `tuple(...)`: the allocation after its iterator was made may collect garbage, and so
        # let another thread change the dict
        return (*self._residents,)

    def forget(self) -> None:
        """Forget all residents, in the child of a fork, where none of them runs."""
        # the copied lock may be held
        self._lock = new_rlock()
        self._residents = {}
        self._names, self._free = set(), {}
        self.failures = {}

    def enter(self, resident: Resident) -> None:
        """Add a run, under its name or, if that is taken, the name with the first free number."""
        with self._lock:
            plain = resident.name
            if plain in self._names:
                number = self._free.get(plain, 2)
                while (numbered := f"{plain}#{number}") in self._names:
                    number += 1
                resident.name = numbered
                self._free[plain] = number + 1
            self._names.add(resident.name)
            self._residents[resident] = None
            self.failures.pop(resident.name, None)
            if len(self._residents) == 1 and self.on_first is not None:
                self.on_first(resident)

    def leave(self, resident: Resident) -> None:
        """Remove a run that has ended; may be called twice."""
        with self._lock:
            if resident not in self._residents:
                return
            del self._residents[resident]
            self._note_free(resident.name)
            for call in list(resident.when_left):
                call()
            failure = resident.service.failure
            if failure is not None and len(self.failures) < MOST_FAILURES:
                self.failures[resident.name] = summary(failure)
            if not self._residents and self.on_last is not None:
                self.on_last()

    def _note_free(self, name: str) -> None:
        self._names.discard(name)
        plain, _, number = name.rpartition("#")
        if plain in self._free and number.isdecimal():
            self._free[plain] = min(self._free[plain], int(number))
        if not self._names:
            self._free.clear()


RESIDENTS: Final = Residents()
os.register_at_fork(after_in_child=RESIDENTS.forget)
