"""What a caller is told of an error of the handler: its type and text, or its type alone.

The text of an exception may hold anything that the handler knew, and a reply that fails its model
shows values of it. So where anybody who reaches the port can ask, callers get the type alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import zmq

from sf_actors.errors import UsageError
from sf_actors.sockets.peers import Listener
from sf_actors.wording import shown

if TYPE_CHECKING:
    from sf_actors.sockets.frames import Socket

ErrorDetails = Literal["full", "type"]


def checked_details(value: Any) -> ErrorDetails | None:
    """Return the choice of the user.

    :raises UsageError: it is none
    """
    if value is None or (isinstance(value, str) and value in ("full", "type")):
        return cast("ErrorDetails | None", value)
    raise UsageError(
        f"Service: error_details: expected 'full', 'type' or, to decide by where a socket is "
        f"bound, None, got {shown(value)}"
    )


def tells_texts(chosen: ErrorDetails | None, socket: Socket, *, is_secured: bool) -> bool:
    """Return whether those who ask at a bound socket are told the texts of errors.

    Unless the user has chosen, they are if they are of this machine, or let in by a key.
    """
    if chosen is not None:
        return chosen == "full"
    return is_secured or _is_local(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def _is_local(endpoint: str) -> bool:
    """Return whether this machine alone reaches a bound socket; False where that is not sure.

    :param endpoint: as libzmq gives it, a host name looked up
    """
    if endpoint.startswith(("ipc:", "inproc:")):
        return True
    host = Listener.at(endpoint).host
    return host is not None and host.is_loopback
