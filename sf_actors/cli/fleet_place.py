"""Finds the place of the fleet that a verb is about, and takes it for `up` and `down`.

After an `up` was killed, its children may still hold the place for a few seconds.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.cli.output import tell
from sf_actors.cli.pauses import looked_for
from sf_actors.errors import FolderError, TargetError, UsageError

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Callable

    from sf_actors.fleet.place import Place

#: How long to wait for the children of a killed `up` to exit, in seconds. They stop within four;
#: an `up` that is starting or stopping answers sooner.
LEAVING_S: Final = 15.0
#: Between two attempts, and how long to try before saying so, in seconds.
BETWEEN_S: Final = 0.02
TELLING_S: Final = 0.3

#: The fleet file if none is named.
_DEFAULT: Final = "fleet.toml"


def place_here(arguments: argparse.Namespace) -> Place | None:
    """Return the place of the fleet that is named, else of the one in this folder, if there is one.

    The file of a named fleet need not exist any more.
    """
    if arguments.fleet is None and not Path(_DEFAULT).is_file():
        return None
    from sf_actors.fleet.place import Place  # noqa: PLC0415 - seldom used

    return Place.of(Path(arguments.fleet or _DEFAULT))


def required_place(arguments: argparse.Namespace) -> Place:
    """Return the place of the fleet, as `place_here`, or raise.

    :raises UsageError: there is no fleet here
    """
    place = place_here(arguments)
    if place is None:
        raise UsageError(f"expected {_DEFAULT} in the working directory, or --fleet FILE")
    return place


def running_up(arguments: argparse.Namespace) -> socket.socket:
    """Return a connection to the `up` of the fleet.

    :raises UsageError: there is no fleet here
    :raises TargetError: it does not run
    """
    connection = required_place(arguments).connect()
    if connection is None:
        raise TargetError(f"no up of {arguments.fleet or _DEFAULT} runs: sf_actors up")
    return connection


def take_place(place: Place, say: Callable[[str], None] = tell) -> socket.socket | None:
    """Take a place, waiting for the children of a killed `up` to leave it.

    :param say: shows a text to the user about a wait
    :returns: None if it was taken; else a connection to the running `up`
    :raises FolderError: it cannot be taken, or a process does not leave it
    """
    found = looked_for(lambda: _look(place), deadline=monotonic() + TELLING_S, between_s=BETWEEN_S)
    if found is None:
        say("waiting for what an earlier up has left to end")
        deadline = monotonic() + LEAVING_S
        found = looked_for(lambda: _look(place), deadline=deadline, between_s=BETWEEN_S)
    if found is None:
        raise FolderError(
            f"{place.folder}: a process of an earlier up still has it after {LEAVING_S:g} s; end it"
        )
    return found[0]


def _look(place: Place) -> tuple[socket.socket | None] | None:
    """Return (None,) if the place was taken, (connection,) to a running `up`, or None to wait."""
    if place.take():
        return (None,)
    connection = place.connect()
    return None if connection is None else (connection,)
