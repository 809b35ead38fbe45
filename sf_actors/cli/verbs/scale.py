"""`scale`: changes the number of instances of a service of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleet_run_folder import running_up
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Start instances, or stop those with the highest numbers; their callers lose no call."""
    parser = verb_parser(
        "scale",
        "Change the number of instances of a service until the fleet's end. New ones are READY "
        "before others connect to them. Those with the highest numbers are removed; others "
        "leave them before they stop.",
        example="sf_actors scale pricer 4",
        has_json=False,
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument("service", metavar="SERVICE", help="a service with instances")
    parser.add_argument("count", metavar="N", help="how many; 0: none")
    add_on(parser)
    arguments = parsed(parser, argv)
    from sf_actors.fleet.service_keys import MOST_INSTANCES  # noqa: PLC0415 - after -h

    count: str = arguments.count
    if not (
        count.isascii() and count.isdecimal() and len(count) < 5 and int(count) <= MOST_INSTANCES
    ):
        raise UsageError(f"N: expected a whole number up to {MOST_INSTANCES}, got {count!r}")
    if is_on_ray(arguments):
        from sf_actors.cli.ray_requests import scale  # noqa: PLC0415 - needs the extra

        return scale(arguments, int(count))
    connection = running_up(arguments)
    from sf_actors.fleet.control import ask  # noqa: PLC0415 - after -h

    answer = ask(connection, report, verb="scale", service=arguments.service, count=int(count))
    return int(answer.get("status", FAILED))
