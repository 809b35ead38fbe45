"""One request on its way through the handler."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UNSET

from sf_actors.connections.reply_cache import Repetition
from sf_actors.errors import InvalidArguments, Refused
from sf_actors.user_code.call import Call
from sf_actors.wire.envelope import encode_failure, encode_reply
from sf_actors.wording import over_limit, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.counters import Counters
    from sf_actors.user_code.states_view import States


class AnsweringActor(Protocol):
    """The replyer, as its requests see it."""

    serving: Callable[..., Any]
    label: str
    counters: Counters
    checked_reply: Callable[[Any], Any]
    max_bytes: int
    states: States
    sends_texts: bool

    def note_invalid(self, error: BaseException) -> None:
        """Note that the handler's result fails its model."""

    def tell(self, message: object) -> bool:
        """Bring the answer to the thread of the socket."""

    def on_late(self, message: Any) -> None:
        """Take an answer that came too late."""


class RequestCall(Call):
    """One request on its way through the handler.

    :param address: the frames that lead back to the requester, up to the empty one
    :param size: bytes of the request
    :ivar key: identifies its repetitions, where replies are kept
    :ivar packed: the request, if it may be repeated
    :ivar expires_at: when its caller waits no longer, in seconds of `time.monotonic`; None: never
    """

    __slots__ = ("address", "expires_at", "frame", "is_moot", "key", "packed", "replyer", "size")

    def __init__(
        self,
        replyer: AnsweringActor,
        args: dict[str, Any],
        address: list[bytes],
        workflow_id: object,
        size: int,
    ) -> None:
        self.handler = replyer.serving
        self.args = args
        self.label = replyer.label
        self.counters = replyer.counters
        self.workflow_id = workflow_id
        self.pinned = None
        self.replyer = replyer
        self.address = address
        self.size = size
        self.key: bytes | None = None
        self.frame = b""
        self.expires_at: float | None = None
        self.packed: bytes | None = None
        #: whether to drop it without an answer
        self.is_moot = False

    def is_worth_it(self) -> bool:
        """Return True if its caller still waits for the answer."""
        # read once, since the socket's thread may change it
        expires_at = self.expires_at
        if expires_at is not None and not self.is_moot and monotonic() >= expires_at:
            self.is_moot = True
            self.counters.drop("expired")
        return not self.is_moot

    def as_repetition(self) -> Repetition:
        """Return what is needed to answer it with the reply to an earlier request."""
        return Repetition(self.address, self.workflow_id, self.expires_at)

    def lasts_until(self, expires_at: float | None) -> bool:
        """Let it expire no earlier than a repetition; return False if it has been dropped already.

        In the socket's thread, while another one may ask `is_worth_it`.
        """
        if self.expires_at is not None:
            self.expires_at = None if expires_at is None else max(self.expires_at, expires_at)
        return not self.is_moot

    def complete(self, result: Any, error: BaseException | None) -> None:
        """Encode the reply, while no other user code can change the handler's result."""
        replyer = self.replyer
        states = replyer.states
        seen = states.seen() if states.has_any else UNSET
        if error is None:
            try:
                frame = encode_reply(replyer.checked_reply(result), self.workflow_id, seen)
                if len(frame) <= replyer.max_bytes:
                    self.frame = frame
                    return
                problem = over_limit(f"{self.label}: the reply", len(frame), replyer.max_bytes)
                error = InvalidArguments(problem)
            except InvalidArguments as invalid:
                error = invalid
            replyer.note_invalid(error)
        if isinstance(error, Refused):
            # its text was written for the caller, so `sends_texts` does not matter
            self.frame = encode_failure(
                Refused.__name__, text_of(error), self.workflow_id, seen=seen
            )
            return
        text = text_of(error) if replyer.sends_texts else ""
        self.frame = encode_failure(type(error).__name__, text, self.workflow_id, seen=seen)

    def settle(self) -> None:
        """Bring the answer to the thread that owns the socket."""
        if not self.frame and not self.is_moot:
            self.frame = encode_failure(
                "ServiceFailed", "the service lost the call by a fault of its own", self.workflow_id
            )
        if not self.replyer.tell(self):
            self.replyer.on_late(self)

    def cancel(self) -> None:
        """Answer that the service stopped before the handler was called."""
        self.give_up()
        self.settle()

    def leave_behind(self) -> None:
        """Answer that the service stopped before the handler returned."""
        self._fail("the service stopped before its handler had finished")
        self.settle()

    def give_up(self) -> None:
        """Have the answer say that the service stopped before the handler was called."""
        self._fail("the service stopped before it handled this request", unhandled=True)

    def _fail(self, problem: str, *, unhandled: bool = False) -> None:
        if self.is_moot:
            return
        self.frame = encode_failure(
            "ServiceStopped", problem, self.workflow_id, unhandled=unhandled
        )
        self.counters.drop("stopped")
