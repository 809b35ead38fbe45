"""`restart`: restarts services of a fleet by the present content of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleet_run_folder import running_up
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Restart services; none is stopped if the file has errors."""
    parser = verb_parser(
        "restart",
        "Read the fleet file again and check it, show what has changed, and restart the services "
        "that run, or those named. New services are started, and removed ones are stopped.",
        example="sf_actors restart pricer",
        has_json=False,
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument(
        "--rolling",
        action="store_true",
        help="instance by instance, the new one beside the old one if possible; no call is lost. "
        "After a failure or Ctrl-C, instances that are not replaced yet run on",
    )
    parser.add_argument("names", nargs="*", metavar="SERVICE", help="only these services")
    add_on(parser)
    arguments = parsed(parser, argv)
    if is_on_ray(arguments):
        from sf_actors.cli.ray_requests import restart  # noqa: PLC0415 - needs the extra

        return restart(arguments)
    connection = running_up(arguments)
    from sf_actors.fleet.control import ask  # noqa: PLC0415 - after -h

    names, rolling = arguments.names, arguments.rolling
    answer = ask(connection, report, verb="restart", names=names, rolling=rolling)
    return int(answer.get("status", FAILED))
