"""Finds the inspectors of this machine, by the sockets in their folder."""

from __future__ import annotations

from sf_actors.errors import FolderError, UsageError
from sf_actors.inspection.asking import Place
from sf_actors.inspection.folder import (
    folder,
    is_refused,
    new_path,
    remove_if_stale,
    require_ours,
    spots,
)


def places_here() -> list[Place]:
    """Return the places of the inspectors; removes the sockets of dead processes.

    :raises FolderError: the folder is not ours alone, or cannot be read
    """
    where = folder()
    try:
        # raise if the path is too long for a socket, rather than find nothing
        new_path(where, "a")
        require_ours(where)
        found = spots(where)
    except FileNotFoundError:
        return []
    except UsageError as error:
        raise FolderError(str(error)) from None
    except OSError as error:
        raise FolderError(f"the folder {str(where)!r} cannot be read: {error.strerror}") from None
    places = []
    for spot in found:
        if is_refused(spot.path):
            remove_if_stale(spot.path)
        else:
            places.append(Place(spot.address, spot.pid, spot.name))
    return places
