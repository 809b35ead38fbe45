"""Requests and messages that reach an actor from inside its process, not through its socket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sf_actors.wire.envelope import encode_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.counters import Counters


class InjectedMessage:
    """A request to a replyer, or a message to a subscriber, packed as on the wire.

    :param packed: without a topic
    :param workflow_id: of the request, for a refusal
    :param answer: takes the packed reply; called in the actor's thread, or in that of the stop
    :ivar is_moot: nobody waits for the answer any more, so it should not be begun
    """

    __slots__ = ("answer", "is_moot", "packed", "workflow_id")

    def __init__(self, packed: bytes, workflow_id: object, answer: Callable[[bytes], None]) -> None:
        self.packed = packed
        self.workflow_id = workflow_id
        self.answer = answer
        self.is_moot = False

    def refuse(self) -> None:
        """Answer that the service takes nothing now."""
        problem = "nothing is accepted now: the service is starting or stopping"
        self.answer(encode_failure("ServiceStopped", problem, self.workflow_id, unhandled=True))


class InjectedRequests:
    """The requests from inside that a replyer has accepted; for the actor's thread.

    :ivar by_address: the unanswered ones, by a made-up address in place of a peer's
    """

    __slots__ = ("_early", "by_address")

    def __init__(self) -> None:
        self.by_address: dict[bytes, InjectedMessage] = {}
        self._early: list[InjectedMessage] | None = []

    def keeps(self, request: InjectedMessage) -> bool:
        """Keep a request until `begun` and return True; False once handling has begun."""
        if self._early is None:
            return False
        self._early.append(request)
        return True

    def begun(self) -> list[InjectedMessage]:
        """Return the kept requests, and keep none from now on."""
        early, self._early = self._early or [], None
        return early

    def enter(self, request: InjectedMessage) -> list[bytes]:
        """Accept a request, and return it as the frames of a peer's request."""
        for address, one in list(self.by_address.items()):
            if one.is_moot:
                del self.by_address[address]
        # random, so that no peer can claim it as its id
        address = os.urandom(16)
        self.by_address[address] = request
        return [address, b"", request.packed]

    def answers(self, address: list[bytes], frame: bytes, counters: Counters) -> bool:
        """Answer a request from inside and count that, if the address is that of one.

        :returns: False if the address is a peer's
        """
        request = self.by_address.pop(address[0], None)
        if request is not None:
            counters.sent += 1
            request.answer(frame)
        return request is not None
