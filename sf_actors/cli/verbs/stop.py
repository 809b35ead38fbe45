"""`stop`: stops a service gracefully and waits until it is gone."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.cli.fleet_place import place_here
from sf_actors.cli.output import Output, tell
from sf_actors.cli.parser import TIMEOUT_S, parsed, verb_parser
from sf_actors.cli.pauses import looked_for
from sf_actors.cli.reach import Reach, add_reach, service_named
from sf_actors.errors import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.cli.target import Resident

#: How long to wait before saying so, and between two looks, in seconds.
TELLING_S, BETWEEN_S = 1.0, 0.05


def run(argv: Sequence[str]) -> int:
    """Ask a service to stop, and wait until it has ended."""
    parser = verb_parser(
        "stop",
        "Stop a service gracefully, within its own --stop_timeout_s, and wait until it is gone. "
        "In the folder of a fleet: all its instances, which are not started again. "
        "With --timeout the wait ends after that time, and the stop goes on.",
        example="sf_actors stop exchange",
        timeout_s=None,
    )
    add_reach(parser)
    parser.add_argument("service", metavar="SERVICE", help="a service that runs")
    arguments = parsed(parser, argv)
    if arguments.at is None and (place := place_here(arguments)) is not None:
        from sf_actors.cli.fleet_asking import stop_in_fleet  # noqa: PLC0415 - in its folder alone

        stopped = stop_in_fleet(place, arguments)
        if stopped is not None:
            return stopped
    deadline = None if arguments.timeout is None else monotonic() + arguments.timeout
    arguments.timeout = TIMEOUT_S if arguments.timeout is None else arguments.timeout
    out = Output(as_json=arguments.json)
    with Reach.of(arguments) as reach:
        resident = service_named(reach, arguments.service)
        reach.ask(resident, "stop")
        telling_at = monotonic() + TELLING_S
        soon = telling_at if deadline is None else min(deadline, telling_at)
        gone = looked_for(lambda: _gone(reach, resident), deadline=soon, between_s=BETWEEN_S)
        if gone is None:
            tell(f"waiting for the end of {resident}")
            gone = looked_for(lambda: _gone(reach, resident), deadline=deadline)
    if gone is None:
        raise RequestTimeout(f"{resident} has not ended within {arguments.timeout:g} s")
    if out.as_json:
        out.emit({"service": resident.service, "pid": resident.pid, "stopped": True})
    else:
        tell(f"{resident} has stopped")
    return 0


def _gone(reach: Reach, resident: Resident) -> bool | None:
    """Return True if a service does not run any more, else None.

    :raises RequestTimeout: its process does not answer
    """
    if reach.is_gone(resident.place):
        return True
    try:
        ping = reach.asking.ask(resident.place, "ping", timeout_s=reach.timeout_s)
    except RequestTimeout:
        # it may have ended between the two requests
        if reach.is_gone(resident.place):
            return True
        raise
    return None if resident.service in ping["services"] else True
