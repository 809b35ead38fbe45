"""Taking the place of a fleet, which what is left of an earlier `up` may still have."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.cli.output import tell
from sf_actors.cli.pauses import looked_for
from sf_actors.errors import FolderError

if TYPE_CHECKING:
    import socket

    from sf_actors.fleet.place import Place

#: How long what an `up` that was killed has left behind may take to be gone, in seconds: it stops
#: within four, and those that start or stop just now answer sooner.
LEAVING_S: Final = 15.0
#: Between two looks, and how long the first one may take before it is told of, in seconds.
BETWEEN_S: Final = 0.02
TELLING_S: Final = 0.3


def take_place(place: Place) -> socket.socket | None:
    """Take a place, once those of an earlier `up` that was killed have left it.

    :returns: None when it is taken; else a connection to the `up` that runs
    :raises FolderError: it cannot be taken, or somebody stays in it
    """
    found = looked_for(lambda: _look(place), deadline=monotonic() + TELLING_S, between_s=BETWEEN_S)
    if found is None:
        tell("waiting for what an earlier up has left to end")
        deadline = monotonic() + LEAVING_S
        found = looked_for(lambda: _look(place), deadline=deadline, between_s=BETWEEN_S)
    if found is None:
        raise FolderError(
            f"{place.folder}: a process of an earlier up still has it after {LEAVING_S:g} s; end it"
        )
    return found[0]


def _look(place: Place) -> tuple[socket.socket | None] | None:
    """Return whether it is taken, or by whom; None where it is to be waited for."""
    if place.take():
        return (None,)
    connection = place.connect()
    return None if connection is None else (connection,)
