"""Runs the fleet of the market in one process, for `python -m sf_actors demo`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.demo.display import restore_terminal

if TYPE_CHECKING:
    from types import FrameType

    from sf_actors.fleet.task import Task
    from sf_actors.service import Service

FOLDER = Path(__file__).parent
HOW_TO_LOOK = """\
look at it from a second terminal:
  python -m sf_actors ps
  python -m sf_actors top
  python -m sf_actors watch order_book
  python -m sf_actors call exchange/orders side=buy price=99.5 quantity=1
"""


def show(seconds: float) -> int:
    """Run the market and show it until the time is over, or until the first SIGINT or SIGTERM.

    For the main thread of a process that ends afterwards: the signal handlers stay installed, since
    a Ctrl-C may come even while the interpreter exits. A second signal ends the process at once.

    :param seconds: how long the market runs
    :returns: the exit status: 1 if a service failed or the replica ever differed, else 0
    """
    interrupts = Interrupts()
    from sf_actors.service import Service  # noqa: PLC0415 - a Ctrl-C counts already

    services: list[Service] = []
    with ExitStack() as running:
        for task in tasks():
            if interrupts.count:
                return 0
            service = Service(
                str(task.service.file),
                addresses=task.addresses,
                config={"seconds": seconds} if task.name == "screen" else {},
                console_loglevel="WARNING",
                name=task.name,
            )
            if task.service.main:
                service.run_service_as_main()
            else:
                service.run_service()
            # stopped in reverse order: requesters before replyers
            running.callback(service.stop_service)
            services.append(service)
        if sys.stderr.isatty():
            sys.stderr.write(HOW_TO_LOOK)
            sys.stderr.flush()
        while not interrupts.count and all(service.is_running for service in services):
            services[-1].wait(0.05)
    return int(any(service.failure is not None for service in services))


def tasks() -> list[Task]:
    """Return the services of the fleet in the order of `after`, with inproc addresses.

    Executes their files in the caller's thread.
    """
    from sf_actors.fleet.addresses import inproc_addresses  # noqa: PLC0415 - a Ctrl-C counts already
    from sf_actors.fleet.arrangement import Addresses, Arrangement  # noqa: PLC0415
    from sf_actors.fleet.check import Checked  # noqa: PLC0415
    from sf_actors.fleet.fleet_file import read_fleet  # noqa: PLC0415
    from sf_actors.fleet.levels import levels_of  # noqa: PLC0415
    from sf_actors.fleet.linking import link  # noqa: PLC0415
    from sf_actors.fleet.reading import read_here  # noqa: PLC0415

    fleet = read_fleet(FOLDER / "fleet.toml")
    outlines = read_here(fleet)
    linked = link(fleet, outlines)
    checked = Checked(outlines, linked, linked.findings)
    arrangement = Arrangement(fleet, checked, Addresses(inproc_addresses(fleet)))
    levels = levels_of({service.name: service.after for service in fleet.services})
    found = [task for _, task in arrangement.instances()]
    return sorted(found, key=lambda task: levels[task.service.name])


class Interrupts:
    """Counts SIGINT and SIGTERM from now on, and ends the process at the second one.

    The handler takes no lock, since the interrupted thread may hold any of them.
    """

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            restore_terminal()
            os._exit(128 + number)
