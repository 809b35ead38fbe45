"""Runs the whole market in one process, for `python -m sf_actors demo`."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.demo.display import restore_terminal

if TYPE_CHECKING:
    from types import FrameType

    from sf_actors.service import Service

FOLDER = Path(__file__).parent
HOW_TO_LOOK = """\
look at it from a second terminal:
  python -m sf_actors ps
  python -m sf_actors top
  python -m sf_actors watch order_book
  python -m sf_actors call exchange/orders side=buy price=99.5 quantity=1
"""
SERVING, MAIN = ("exchange.py", "book_keeper.py"), ("trader.py", "screen.py")


def show(seconds: float) -> int:
    """Run the market and show it until the time is over, or until the first SIGINT or SIGTERM.

    For the main thread of a process that ends afterwards: the signal handlers stay installed, since
    a Ctrl-C may come even while the interpreter exits. A second signal ends the process at once.

    :param seconds: how long the market runs
    :returns: the exit status: 1 if a service failed or the replica ever differed, else 0
    """
    interrupts = Interrupts()
    from sf_actors.service import Service  # noqa: PLC0415 - a Ctrl-C counts already

    addresses = _with_free_ports(json.loads((FOLDER / "addresses.json").read_text("utf-8")))
    services: list[Service] = []
    with ExitStack() as running:
        for file in (*SERVING, *MAIN):
            if interrupts.count:
                return 0
            service = Service(
                FOLDER / file,
                addresses=addresses,
                config={"seconds": seconds} if file == "screen.py" else {},
                console_loglevel="WARNING",
            )
            if file in MAIN:
                service.run_service_as_main()
            else:
                service.run_service()
            # stopped in reverse order: requesters before replyers
            running.callback(service.stop_service)
            services.append(service)
            addresses = _with_known_ports(service.addresses)
        if sys.stderr.isatty():
            sys.stderr.write(HOW_TO_LOOK)
            sys.stderr.flush()
        while not interrupts.count and all(service.is_running for service in services):
            services[-1].wait(0.05)
    return int(any(service.failure is not None for service in services))


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


def _with_free_ports(addresses: dict[str, Any]) -> dict[str, Any]:
    """Return the addresses with port 0 for all binders, so that markets can run side by side."""
    for models in (addresses["connections"]["in"], addresses["states"]["out"]):
        for sockets in models.values():
            sockets.update(dict.fromkeys(sockets, "127.0.0.1:0"))
    return addresses


def _with_known_ports(addresses: dict[str, Any]) -> dict[str, Any]:
    """Return the addresses with those bound so far filled in for the connectors."""
    connections, states = addresses["connections"], addresses["states"]
    for name, bound in connections["in"].items():
        connections["out"][name] = {"requester": bound["replyer"]}
    for name, bound in states["out"].items():
        states["in"][name] = {"subscriber": bound["publisher"], "requester": bound["replyer"]}
    return addresses
