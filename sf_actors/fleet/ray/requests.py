"""Keeps the requests of remote verbs until their answers are received; any thread."""

from __future__ import annotations

from itertools import count
from time import time_ns
from typing import Any, Final

from sf_actors.fleet.ray.events import EventBatch, Events
from sf_actors.sync.locks import new_lock

#: How many answered requests are kept until their answers are received.
MOST_ANSWERED: Final = 256

_FAILED: Final = 1


class RemoteRequest:
    """A request of a remote verb.

    :ivar answers: progress reports, and the status at the end
    """

    def __init__(self, args: dict[str, Any]) -> None:
        self.args = args
        self.is_open = True
        self.answers = Events()

    def report(self, words: str) -> None:
        """Report progress to the verb that asks."""
        self.answers.add({"say": words})

    def end(self, status: int, **more: Any) -> None:
        """Send the answer."""
        if self.is_open:
            self.is_open = False
            self.answers.add({"status": status, **more})


class RemoteRequests:
    """The open requests, and those whose answers have not been received yet."""

    def __init__(self) -> None:
        self._lock = new_lock()
        #: from the wall clock, so that a restarted process does not reuse numbers
        self._numbers = count(time_ns())
        self._kept: dict[int, RemoteRequest] = {}
        self._unknown = Events()
        self._unknown.add({"say": "the up that was asked was started again meanwhile"})
        self._unknown.add({"status": _FAILED})

    @property
    def all(self) -> list[RemoteRequest]:
        """The requests that are kept."""
        with self._lock:
            return list(self._kept.values())

    def add(self, args: dict[str, Any]) -> tuple[int, RemoteRequest]:
        """Add a request; returns its number for `hear`, and the request."""
        request = RemoteRequest(args)
        with self._lock:
            number = next(self._numbers)
            answered = [key for key, one in self._kept.items() if not one.is_open]
            for key in answered[: max(0, len(answered) - MOST_ANSWERED)]:
                del self._kept[key]
            self._kept[number] = request
        return number, request

    def hear(self, number: int, last: int, wait_s: float) -> EventBatch:
        """Return the answers to a request after the first `last`, waiting for one if there is none.

        A call that confirms the last answer returns at once, and the request is forgotten. An
        unknown number belongs to an earlier process.

        :param wait_s: how long to wait, in seconds
        """
        with self._lock:
            request = self._kept.get(number)
        if request is None:
            return self._unknown.after(min(last, self._unknown.count), 0.0)
        if request.is_open or last < request.answers.count:
            return request.answers.after(last, wait_s)
        heard = request.answers.after(last, 0.0)
        with self._lock:
            self._kept.pop(number, None)
        return heard
