"""Reads the service files of a fleet in parallel, each in a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.findings import Finding, shown_place
from sf_actors.fleet.outlines import FAMILIES, ModelOutline, ServiceOutline
from sf_actors.interpreter import own_command
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.sync.event import LightEvent
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sf_actors.fleet.fleet import Fleet, FleetService

#: How long reading one service file may take, in seconds.
DEADLINE_S: Final = 10.0


@dataclass(frozen=True, eq=False)
class Read:
    """The result of reading.

    :ivar outlines: by service, of those that could be read, in the order of the file
    :ivar findings: E401 for each of the others
    """

    outlines: Mapping[str, ServiceOutline]
    findings: tuple[Finding, ...]


def read_services(
    fleet: Fleet,
    *,
    addresses: Mapping[str, Any] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Read:
    """Read the service files of a fleet, running their setup hooks; any thread.

    :param addresses: by service: the argument of `setup_addresses`, which does not run without
    :param deadline_s: how long each file may take, in seconds
    :raises BindError: the system has no thread left for it
    """
    processes: list[subprocess.Popen[bytes]] = []
    is_over = LightEvent()

    def note(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        if is_over.is_set():
            _end(process)

    def read(service: FleetService) -> ServiceOutline | Finding:
        if service.is_bus:
            return ServiceOutline(service.name, is_bus=True)
        given = None if addresses is None else addresses[service.name]
        question = pickle.dumps((service, given))
        return _read(fleet, question, service, deadline_s, note)

    try:
        found = _side_by_side(read, fleet.services, is_over)
    except BaseException as error:
        is_over.set()
        for process in tuple(processes):
            _end(process)
        if is_no_thread_left(error):
            raise no_thread_left(fleet.path.name) from None
        raise
    return Read(
        {one.name: one for one in found if isinstance(one, ServiceOutline)},
        tuple(one for one in found if isinstance(one, Finding)),
    )


def _side_by_side(
    read: Callable[[FleetService], ServiceOutline | Finding],
    services: Sequence[FleetService],
    is_over: LightEvent,
) -> list[ServiceOutline | Finding]:
    """Call a function for each service, in threads that no exit waits for.

    Two signals may interrupt the start of a thread so that it never begins; a pool waits for it.

    :param is_over: once set, the function is called for no further service
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, ServiceOutline | Finding | BaseException]] = SimpleQueue()

    def work() -> None:
        with suppress(Empty):
            while not is_over.is_set():
                number = waiting.get_nowait()
                try:
                    done.put((number, read(services[number])))
                except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                    done.put((number, error))

    for number in range(len(services)):
        waiting.put(number)
    # more in parallel would slow each one down until it misses its deadline
    at_once = max(2, 2 * len(os.sched_getaffinity(0)))
    for number in range(min(at_once, len(services))):
        threading.Thread(target=work, name=f"fleet/read_{number}", daemon=True).start()
    found: dict[int, ServiceOutline | Finding] = {}
    while len(found) < len(services):
        number, one = done.get()
        if isinstance(one, BaseException):
            raise one
        found[number] = one
    return [found[number] for number in range(len(services))]


def read_here(fleet: Fleet) -> dict[str, ServiceOutline]:
    """Read the service files of a fleet in this process; only for files that are known to load.

    Runs user code in the caller's thread; errors as of `describing.described`.
    """
    from sf_actors.fleet.describing import described  # noqa: PLC0415 - seldom read here

    return {
        service.name: ServiceOutline(service.name, is_bus=True)
        if service.is_bus
        else _outline_of(service.name, described(service, None))
        for service in fleet.services
    }


def _read(
    fleet: Fleet,
    question: bytes,
    service: FleetService,
    deadline_s: float,
    note: Callable[[subprocess.Popen[bytes]], None],
) -> ServiceOutline | Finding:
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            own_command("sf_actors.fleet.describing", "main"),
            cwd=fleet.folder,
            env={**os.environb, **service.encoded_env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return _finding(service, f"no process can be made to read it: {reason_of(error)}")
    note(process)
    try:
        answer, _ = process.communicate(question, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        return _finding(service, f"it is still being imported after {deadline_s:g} s")
    finally:
        _end(process)
    try:
        description = json.loads(answer)
    except ValueError:
        return _finding(
            service, f"its process ended with {process.returncode} while it was imported"
        )
    if "failure" in description:
        return _finding(service, description["failure"], at=description["at"])
    return _outline_of(service.name, description)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _outline_of(name: str, description: dict[str, Any]) -> ServiceOutline:
    models: list[ModelOutline] = []
    for given in description["models"]:
        model = ModelOutline(**given)
        models.append(replace(model, asks=tuple(model.asks), at=shown_place(model.at)))
    return ServiceOutline(
        name,
        tuple(model for model in models if model.type in FAMILIES),
        tuple(model for model in models if model.type not in FAMILIES),
        addresses=description["addresses"],
        takes_instance=description["takes_instance"],
    )


def _finding(service: FleetService, message: str, at: str | None = None) -> Finding:
    return Finding("E401", service.name, "", message, shown_place(at or str(service.file)))
