"""The requesters of ours that a replyer hears, and what it tells them besides replies.

They are known by the id before the empty frame of their requests. A requester sends ids until it
has heard that each request is answered once, and again on a new connection: other servers may
answer one twice, and the second reply would be taken for that of the next request if it had no id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.counters import Counters
from sf_actors.sockets.frames import ANSWERS_ONCE, CALL_ID, STOPPING, send_answer

if TYPE_CHECKING:
    from sf_actors.sockets.frames import Socket

#: Most requesters that are known; the oldest are forgotten.
MOST = 10_000


class KnownRequesters:
    """The requesters of ours behind a ROUTER socket; in its thread."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        #: by address without the id, whether each has heard that it is answered once
        self._heard: dict[tuple[bytes, ...], bool] = {}

    def note(self, address: list[bytes]) -> None:
        """Note who sent a request, if it is a requester of ours.

        :param address: the frames of the request up to the empty one, at least three
        """
        if address[-2].startswith(CALL_ID):
            self._heard.setdefault(tuple(address[:-2]), False)
            if len(self._heard) > MOST:
                del self._heard[next(iter(self._heard))]

    def greet(self, address: list[bytes]) -> None:
        """Tell a requester, once, that it is answered once.

        To be called after an answer to it: where one message may wait, that must not be this one.

        :param address: as in `note`
        """
        requester = tuple(address[:-2])
        if self._heard.get(requester) is False:
            self._heard[requester] = True
            send_answer(self._socket, [*requester, ANSWERS_ONCE, b""], b"", Counters())

    def tell_stop(self, notice: bytes) -> None:
        """Tell all that the replyer stops.

        :param notice: the answer to a request that is not handled
        """
        for requester in self._heard:
            send_answer(self._socket, [*requester, STOPPING, b""], notice, Counters())
