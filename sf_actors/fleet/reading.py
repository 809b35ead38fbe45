"""Reads the service files of a fleet in parallel, each in a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.findings import Finding, shown_place
from sf_actors.fleet.outlines import FAMILIES, ModelOutline, ServiceOutline
from sf_actors.interpreter import own_command
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def read(service: FleetService) -> ServiceOutline | Finding:
        if service.is_bus:
            return ServiceOutline(service.name, is_bus=True)
        given = None if addresses is None else addresses[service.name]
        return _read(fleet, pickle.dumps((service, given)), service, deadline_s, processes)

    # more in parallel would slow each one down until it misses its deadline
    at_once = max(2, 2 * len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(at_once, thread_name_prefix="fleet/read") as pool:
        try:
            found = list(pool.map(read, fleet.services))
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(processes):
                _end(process)
            if is_no_thread_left(error):
                raise no_thread_left(fleet.path.name) from None
            raise
    return Read(
        {one.name: one for one in found if isinstance(one, ServiceOutline)},
        tuple(one for one in found if isinstance(one, Finding)),
    )


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
    processes: list[subprocess.Popen[bytes]],
) -> ServiceOutline | Finding:
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            own_command("sf_actors.fleet.describing", "main"),
            cwd=fleet.folder,
            env={**os.environ, **service.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return _finding(service, f"no process can be made to read it: {reason_of(error)}")
    processes.append(process)
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
