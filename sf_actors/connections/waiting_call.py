"""A call that is under way, and the thread that waits for its reply."""

from __future__ import annotations

import threading
from time import monotonic

from sf_actors.connections.call_rules import CallState


class WaitingCall(CallState):
    """A call that is under way, and its caller.

    :param timeout_s: how long each try may take, in seconds
    :ivar gate: locked until the caller must look again
    :ivar may_go: set once, when `reply` or `error` is set
    """

    __slots__ = (
        "ends_at",
        "error",
        "frame",
        "gate",
        "may_go",
        "opened_at",
        "reply",
        "sent",
        "timeout_s",
        "try_ends_at",
    )

    def __init__(
        self, frame: bytes, timeout_s: float, *, retries: int = 0, key: bytes | None = None
    ) -> None:
        # the base class's assignments, since calling its `__init__` would cost more
        self.key = key
        self.retries_left = retries
        self.tries = 1
        self.peer = None
        self.attempts = []
        self.has_lost = False
        self.is_unsent = True
        self.frame = frame
        self.timeout_s = timeout_s
        self.try_ends_at = monotonic() + timeout_s
        self.ends_at = self.try_ends_at + retries * timeout_s
        self.gate = threading.Lock()
        self.gate.acquire()
        self.opened_at = 0.0
        self.may_go = False
        #: how many attempts were handed to a connection
        self.sent = 0
        self.reply: bytes | None = None
        self.error: BaseException | None = None

    def wake(self) -> None:
        """Make the caller look again; its gate may be open already."""
        if self.gate.locked():
            self.gate.release()
