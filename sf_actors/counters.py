"""The counters of a running service: plain numbers, most of them without a lock.

Each field is written by one thread at a time: the actor that owns the socket, the thread that has
the handler lock, a worker under the lock of its pool, or a caller under the lock of an outbound
socket. Only `drop` may run in any thread. Readers may see a number that is one message old.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from sf_actors.sync.locks import new_lock
from sf_actors.wording import bounded, text_of

if TYPE_CHECKING:
    from collections.abc import Sized

#: Upper bounds of the buckets of `handler_s`, in seconds; the last bucket has no bound.
BOUNDS_S = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, float("inf"))

SHORTEST_S = BOUNDS_S[0]


class Durations:
    """The durations of one model's handler calls, in seconds."""

    __slots__ = ("_buckets", "last", "max", "sum")

    def __init__(self) -> None:
        self.last = 0.0
        self.sum = 0.0
        self.max = 0.0
        self._buckets = [0] * len(BOUNDS_S)

    def add(self, seconds: float) -> None:
        """Count one call; runs in the thread that holds the handler lock, or in a pool's thread."""
        self.last = seconds
        self.sum += seconds
        if seconds > self.max:  # noqa: PLR1730 - max() is a call; HOT
            self.max = seconds
        # most are in the first bucket: checking it costs less than a search
        self._buckets[0 if seconds <= SHORTEST_S else bisect_left(BOUNDS_S, seconds)] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers; the last bucket has the bound None, since JSON has no infinity."""
        bounds = [*BOUNDS_S[:-1], None]
        return {
            "count": sum(self._buckets),
            "sum": self.sum,
            "max": self.max,
            "buckets": [list(pair) for pair in zip(bounds, self._buckets, strict=True)],
        }


class Backlog:
    """The number of an actor's calls that wait at the router, or for their reply to be sent.

    Each field is written by one thread at a time, so none needs a lock.
    """

    __slots__ = ("_bytes_brought", "_bytes_finished", "_cancelled", "brought", "finished")

    def __init__(self) -> None:
        #: no call waits if the two are equal
        self.brought = 0
        self.finished = 0
        self._cancelled = 0
        self._bytes_brought = self._bytes_finished = 0

    def __len__(self) -> int:
        return max(0, self.brought - self.finished - self._cancelled)

    @property
    def size(self) -> int:
        """Bytes of the messages whose calls wait."""
        return self._bytes_brought - self._bytes_finished

    def bring(self, size: int) -> None:
        """Count a call that begins to wait; runs in the actor's thread.

        :param size: bytes of its message
        """
        self.brought += 1
        self._bytes_brought += size

    def finish(self, size: int) -> None:
        """Count a call that no longer waits; for one thread at a time."""
        self.finished += 1
        self._bytes_finished += size

    def cancel(self) -> None:
        """Count a call that will never run; runs in the thread that stops the service."""
        self._cancelled += 1


class Counters:
    """The numbers of one connection or state.

    :param names: the counters that apply to this kind of model, in the order in which they are
        shown
    """

    __slots__ = (
        "_drop_lock",
        "_last_error",
        "_names",
        "behind",
        "conflated",
        "deduplicated",
        "dropped",
        "failed",
        "handled",
        "handler_s",
        "in_flight",
        "missed",
        "peers",
        "queued",
        "received",
        "refused",
        "restarts",
        "retries",
        "sent",
        "skipped",
        "store_failed",
        "timeouts",
        "unknown_fields",
    )

    def __init__(self, *names: str) -> None:
        self._names = names
        self.received = 0
        self.sent = 0
        self.handled = 0
        self.failed = 0
        #: calls whose handler raised `Refused`; neither handled nor failed
        self.refused = 0
        self.dropped: dict[str, int] = {}
        self._drop_lock = new_lock()
        #: messages that a subscriber did not get, calls that a timer left out
        self.missed = 0
        #: of a connecting subscriber: 1 while its publisher answers, else 0; None if unknown
        self.peers: int | None = 0
        self.in_flight = 0
        #: of the newest actor of the model
        self.queued: Sized = Backlog()
        #: updates of an in-state without a handler call of their own
        self.conflated = 0
        #: failures to write a state to its file
        self.store_failed = 0
        #: updates that a state left out, since their caller's number is not above its own
        self.skipped = 0
        self.timeouts = 0
        self.retries = 0
        self.deduplicated = 0
        #: requests or replies that went on before a state caught up with what the other side had
        #: seen
        self.behind = 0
        #: messages with fields that the model lacks, and that were dropped from them
        self.unknown_fields = 0
        self.restarts = 0
        self._last_error: str | None = None
        self.handler_s = Durations()

    @property
    def last_error(self) -> str | None:
        """The text of the last error, cut, since it may quote a peer."""
        return self._last_error

    @last_error.setter
    def last_error(self, text: str | None) -> None:
        self._last_error = text and bounded(text)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count messages that were dropped for `reason`; any thread."""
        with self._drop_lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def fail(self, error: BaseException) -> None:
        """Count a failure and keep its text as the last one."""
        self.failed += 1
        self.last_error = summary(error)

    def as_dict(self) -> dict[str, Any]:
        """Return the counters that apply, as plain numbers, texts and dicts."""
        numbers: dict[str, Any] = {}
        for name in self._names:
            number = getattr(self, name)
            if isinstance(number, Durations):
                number = number.as_dict()
            elif isinstance(number, dict):
                number = dict(number)
            elif name == "queued":
                number = len(number)
            numbers[name] = number
        return numbers


def summary(error: BaseException) -> str:
    """Return the type and the whole text of an error; never raises."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
