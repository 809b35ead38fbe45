"""Decides whether a requester gets the text of a handler's error or only its type.

The text of an exception may contain anything that the handler knew, and the error of a reply that
fails its model shows some of its values. So a port that anyone can reach sends only the type.
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
    """Return the user's choice.

    :raises UsageError: it is invalid
    """
    if value is None or (isinstance(value, str) and value in ("full", "type")):
        return cast("ErrorDetails | None", value)
    raise UsageError(
        f"Service: error_details: expected 'full', 'type' or, to decide by where a socket is "
        f"bound, None, got {shown(value)}"
    )


def sends_texts(chosen: ErrorDetails | None, socket: Socket, *, is_secured: bool) -> bool:
    """Return True if replies of a bound socket carry the texts of errors.

    Unless the user has chosen, they do if the socket is local or requires keys.
    """
    if chosen is not None:
        return chosen == "full"
    return is_secured or _is_local(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def _is_local(endpoint: str) -> bool:
    """Return True if a bound socket can certainly be reached only from this machine.

    :param endpoint: the socket's `LAST_ENDPOINT`, with the host name resolved
    """
    if endpoint.startswith(("ipc:", "inproc:")):
        return True
    host = Listener.at(endpoint).host
    return host is not None and host.is_loopback
