"""`down`: stops the fleet that runs, and waits until nothing of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleet_run_folder import required_run_folder, take_run_folder
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Stop the fleet; returns 0 also if it does not run."""
    parser = verb_parser(
        "down",
        "Stop the fleet that runs, level by level, and wait until nothing of it is left but its "
        "log files. Each service has its own stop_timeout_s; exit 1 if one had to be killed.",
        example="sf_actors down",
        has_json=False,
        has_timeout=False,
    )
    add_fleet(parser)
    add_on(parser)
    arguments = parsed(parser, argv)
    if is_on_ray(arguments):
        from sf_actors.cli.ray_requests import down  # noqa: PLC0415 - needs the extra

        return down(arguments)
    run_folder = required_run_folder(arguments)
    from sf_actors.fleet.control import ask  # noqa: PLC0415

    connection = take_run_folder(run_folder)
    if connection is None:
        run_folder.leave()
        report("the fleet does not run")
        return 0
    answer = ask(connection, report, verb="down")
    # it answers just before its process ends: wait for that
    follower = take_run_folder(run_folder)
    if follower is None:
        run_folder.leave()
    else:
        follower.close()
    return int(answer.get("status", FAILED))
