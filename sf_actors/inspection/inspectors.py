"""Finds the inspectors of this machine, by the sockets in their folder."""

from __future__ import annotations

from sf_actors.errors import FolderError, UsageError
from sf_actors.inspection.client import Responder
from sf_actors.inspection.folder import (
    folder,
    inspector_sockets,
    is_refused,
    new_path,
    remove_if_stale,
    require_ours,
)


def inspectors_here() -> list[Responder]:
    """Return the inspectors; removes the sockets of dead processes.

    :raises FolderError: the folder is not ours alone, or cannot be read
    """
    where = folder()
    try:
        # raise if the path is too long for a socket, rather than find nothing
        new_path(where, "a")
        require_ours(where)
        found = inspector_sockets(where)
    except FileNotFoundError:
        return []
    except UsageError as error:
        raise FolderError(str(error)) from None
    except OSError as error:
        raise FolderError(f"the folder {str(where)!r} cannot be read: {error.strerror}") from None
    inspectors = []
    for one in found:
        if is_refused(one.path):
            remove_if_stale(one.path)
        else:
            inspectors.append(Responder(one.address, one.pid, one.name))
    return inspectors
