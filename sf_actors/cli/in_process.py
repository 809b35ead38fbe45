"""`up --in-process`: runs the instances of a fleet as services of this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

from sf_actors.cli.command import print_failure
from sf_actors.cli.fleet_child import service_of
from sf_actors.cli.split_streams import INSTANCE, split_streams
from sf_actors.errors import ServiceStopped, StopOverdue, UsageError
from sf_actors.fleet.check import check
from sf_actors.fleet.fleet_file import read_fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sf_actors.cli.bus import Bus
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.supervisor import Supervisor
    from sf_actors.fleet.task import Task
    from sf_actors.service import Service

    Post = Callable[[Callable[[], None]], None]


class InProcess:
    """One run of an instance in this process; created and used by the selector's thread.

    :param post: has the selector's thread call a function
    :param on_message: takes its messages, like those of a child process
    :param on_end: takes its exit status; -SIGKILL if user code was left behind
    :raises OSError: no thread can be started
    """

    def __init__(
        self,
        task: Task,
        _selector: object,
        *,
        post: Post,
        on_message: Callable[[InProcess, dict[str, Any]], None],
        on_line: object,  # noqa: ARG002 - its lines come over the streams of the process
        on_end: Callable[[InProcess, int], None],
    ) -> None:
        self.task = task
        self.pid = os.getpid()
        self._post = post
        self._on_message, self._on_end = on_message, on_end
        self._service: Service | None = None
        self._bus: Bus | None = None
        self._asked: int | None = None
        os.environb.update(task.service.encoded_env)
        self._start(self._run, "run")

    def signal(self, number: int) -> None:
        """Stop it like a signal: the service's hook runs first."""
        if self._asked is None:
            self._asked = number
            self._start(self._stop_as_asked, "stop")

    def kill(self) -> None:
        """Stop it gracefully: a thread cannot be killed. A stuck one is left at the deadline."""
        self.signal(signal.SIGTERM)

    def send(self, message: dict[str, Any]) -> bool:
        """Carry out a `connect` message, and answer it; False while there is no service."""
        if self._service is None:
            return False
        error = None
        try:
            self._service.connect(*message["connect"])
        except Exception as fault:  # noqa: BLE001 - sent back as the answer
            error = str(fault)
        answer = {"connected": message["id"], "error": error}
        self._post(lambda: self._on_message(self, answer))
        return True

    def abandon(self) -> int:
        """Let it end with the process; returns the status of a killed one."""
        return -signal.SIGKILL

    def _start(self, function: Callable[[], None], what: str) -> None:
        thread = threading.Thread(target=function, name=f"{self.task.name}/{what}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(str(error)) from None

    def _run(self) -> None:
        INSTANCE.set(self.task.name)
        try:
            status = self._run_bus() if self.task.service.is_bus else self._run_service()
        except BaseException as error:  # noqa: BLE001 - every end becomes a status
            status = self._status_of(error)
        self._post(lambda: self._on_end(self, status))

    def _run_service(self) -> int:
        service = service_of(self.task)
        self._service = service
        if self._asked is not None:
            return 0
        if self.task.service.main:
            service.run_service_as_main()
        else:
            service.run_service()
        self._post(lambda: self._on_message(self, {"ready": True}))
        self._stop_as_asked()
        service.wait()
        if service.failure is not None:
            raise service.failure
        return 0

    def _run_bus(self) -> int:
        from sf_actors.cli.bus import Bus  # noqa: PLC0415 - few have one
        from sf_actors.lifecycle.residents import RESIDENTS, Resident  # noqa: PLC0415
        from sf_actors.user_code.interruptible import UserCode  # noqa: PLC0415

        there = self.task.addresses["connections"]["in"]
        bus = Bus(there["xsub"], there["xpub"], None, name=self.task.name)
        self._bus = bus
        resident = Resident(self.task.name, bus, "bus", UserCode())
        RESIDENTS.enter(resident)
        try:
            self._post(lambda: self._on_message(self, {"ready": True}))
            if self._asked is None:
                bus.run()
        finally:
            RESIDENTS.leave(resident)
            bus.close()
        return 0

    def _stop_as_asked(self) -> None:
        """Stop the service as asked; before it is READY there may be none yet."""
        INSTANCE.set(self.task.name)
        if self._bus is not None:
            self._bus.stop_service()
        elif self._service is not None and self._asked is not None:
            # an error of the hook is recorded as the service's failure
            with suppress(Exception):
                self._service.stop_by_signal(self._asked, None)

    def _status_of(self, error: BaseException) -> int:
        was_ready = self._service is not None and self._service.was_ready
        if isinstance(error, StopOverdue):
            print_failure(error)
            return -signal.SIGKILL
        if isinstance(error, ServiceStopped) and self._asked is not None:
            return 0
        if was_ready and isinstance(error, SystemExit):
            if error.code is None or isinstance(error.code, int):
                return error.code or 0
            print(error.code, file=sys.stderr)  # noqa: T201 - as the end of a process would
            return 1
        print_failure(error)
        return 1 if was_ready else 2


def require_one_environment(fleet: Fleet) -> None:
    """Refuse services with contradictory `env`: they share the environment of the process.

    :raises UsageError: two want different values of one variable
    """
    whose: dict[str, FleetService] = {}
    for service in fleet.services:
        for key, value in service.env.items():
            other = whose.setdefault(key, service)
            if other.env[key] != value:
                raise UsageError(
                    f"--in-process: {other.name} and {service.name} want different values of "
                    f"{key} in env"
                )


def read_again(path: Path) -> tuple[Fleet, Checked]:
    """Read and check again the file of a fleet that runs in this process.

    :raises UserError: it cannot be read, or its services cannot share a process
    """
    fleet = read_fleet(path)
    require_one_environment(fleet)
    return fleet, check(fleet, in_process=True)


def run_here(fleet: Fleet, supervisor: Supervisor, *, leave: Callable[[], None]) -> int:
    """Run a fleet in this process, with its folder as working directory; in the main thread.

    :param leave: called before the process exits hard, because user code was left behind
    """
    from sf_actors.inspection.http.server import http  # noqa: PLC0415 - seldom used
    from sf_actors.inspection.presence import PRESENCE  # noqa: PLC0415
    from sf_actors.log.standard_library import STANDARD_LIBRARY  # noqa: PLC0415

    PRESENCE.is_wanted = True
    os.chdir(fleet.folder)
    addresses = {service.http: None for service in fleet.services if service.http is not None}
    with ExitStack() as stack:
        for number, address in enumerate(addresses):
            if number:
                # a process has one HTTP listener, which answers for all its services
                supervisor.report(f"http of {address} is left out: {next(iter(addresses))} has it")
            else:
                stack.enter_context(closing(http(address)))
        stack.enter_context(split_streams(supervisor.take_line))
        stack.enter_context(STANDARD_LIBRARY.owning_process())
        status = supervisor.run()
    if supervisor.has_left_behind:
        leave()
        sys.stdout.flush()
        # threads of user code would keep the process alive
        os._exit(status)
    return status
