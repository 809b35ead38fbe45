"""`down`: stops the fleet that runs, and waits until nothing of it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleet_place import required_place, take_place
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.on_ray import add_on, is_on_ray
from sf_actors.cli.output import tell
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import FAILED

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
        from sf_actors.cli.asking_on_ray import down  # noqa: PLC0415 - needs the extra

        return down(arguments)
    place = required_place(arguments)
    from sf_actors.fleet.control import ask  # noqa: PLC0415

    connection = take_place(place)
    if connection is None:
        place.leave()
        tell("the fleet does not run")
        return 0
    answer = ask(connection, tell, verb="down")
    # it answers just before its process ends: wait for that
    follower = take_place(place)
    if follower is None:
        place.leave()
    else:
        follower.close()
    return int(answer.get("status", FAILED))
