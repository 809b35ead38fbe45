"""`--fleet FILE`, and the fleet that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.flags import text_of

if TYPE_CHECKING:
    import argparse

    from sf_actors.cli.parser import Parser
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.place import Place

#: The fleet file where none is named.
DEFAULT = "fleet.toml"


def add_fleet(parser: Parser) -> None:
    """Add the flag."""
    parser.add_argument(
        "--fleet",
        metavar="FILE",
        type=text_of,
        help=f"the fleet file (default {DEFAULT} in the working directory)",
    )


def fleet_of(arguments: argparse.Namespace) -> Fleet:
    """Return the fleet that is named.

    :raises FleetError: its file cannot be read
    """
    from sf_actors.fleet.fleet_file import read_fleet  # noqa: PLC0415 - after -h

    return read_fleet(arguments.fleet or DEFAULT)


def place_here(arguments: argparse.Namespace) -> Place | None:
    """Return the place of the fleet that is named, or of that of the folder; None of neither."""
    if arguments.fleet is None and not Path(DEFAULT).is_file():
        return None
    from sf_actors.fleet.place import Place  # noqa: PLC0415 - seldom used

    return Place.of(Path(arguments.fleet or DEFAULT))
