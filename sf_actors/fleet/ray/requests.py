"""What verbs elsewhere ask of a fleet's supervisor, until its answers are heard; any thread."""

from __future__ import annotations

import threading
from itertools import count
from time import time_ns
from typing import Any, Final

from sf_actors.fleet.ray.events import Events, News

#: Answered requests that are kept for who has not heard yet.
MOST_ANSWERED: Final = 256

_FAILED: Final = 1


class RemoteRequest:
    """A request of a verb elsewhere.

    :ivar answers: what is said, and the status at last
    """

    def __init__(self, args: dict[str, Any]) -> None:
        self.args = args
        self.is_open = True
        self.answers = Events()

    def say(self, words: str) -> None:
        """Tell who asked how it goes."""
        self.answers.add({"say": words})

    def end(self, status: int, **more: Any) -> None:
        """Answer it."""
        if self.is_open:
            self.is_open = False
            self.answers.add({"status": status, **more})


class RemoteRequests:
    """The requests that are open, and those whose answers were not heard yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: those of one process are no other's, which has taken its place
        self._numbers = count(time_ns())
        self._kept: dict[int, RemoteRequest] = {}
        self._unknown = Events()
        self._unknown.add({"say": "the up that was asked was started again meanwhile"})
        self._unknown.add({"status": _FAILED})

    @property
    def all(self) -> list[RemoteRequest]:
        """Those that are kept."""
        with self._lock:
            return list(self._kept.values())

    def add(self, args: dict[str, Any]) -> tuple[int, RemoteRequest]:
        """Take one; returns the number by which its answer is heard, and the request."""
        request = RemoteRequest(args)
        with self._lock:
            number = next(self._numbers)
            answered = [key for key, one in self._kept.items() if not one.is_open]
            for key in answered[: max(0, len(answered) - MOST_ANSWERED)]:
                del self._kept[key]
            self._kept[number] = request
        return number, request

    def hear(self, number: int, last: int, wait_s: float) -> News:
        """Return what is said about a request after the first `last` events.

        Who says so that all has arrived is answered at once, and the request forgotten. A number
        that is not known is that of an earlier process.

        :param wait_s: how long to wait for something, in seconds
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
