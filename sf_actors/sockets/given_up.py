"""Warns of connections that libzmq has given up, and that are made again."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.log.throttle import Throttle

if TYPE_CHECKING:
    from sf_actors.log import PackageLogger
    from sf_actors.sockets.endpoint import Endpoint


class GivenUp:
    """The connections of one model that were given up; logged at a limited rate.

    :param where: the model, for the log
    """

    def __init__(self, log: PackageLogger, where: str) -> None:
        self._log = log
        self._where = where
        self._throttle = Throttle()

    def note(self, endpoint: Endpoint, *, has_greeted: bool) -> None:
        """Log a connection that was given up.

        :param has_greeted: its peers had greeted each other before
        """
        why = "what answers there is no ZeroMQ peer for this socket"
        if has_greeted:
            why = "the peer broke the protocol, perhaps by far more bytes than max_message_bytes"
        left_out = self._throttle.admit(str(endpoint), monotonic())
        if left_out is not None:
            self._log.warning(
                "connection was given up: connecting again",
                model=self._where,
                address=str(endpoint),
                reason=why,
                left_out=left_out,
            )
