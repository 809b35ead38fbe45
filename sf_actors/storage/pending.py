"""The updates that wait to be written; if they are too many, the value is written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sf_actors.sync.event import LightEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.wire.messages import Cut

MOST_UPDATES: Final = 50_000
MOST_BYTES: Final = 8 * 1024 * 1024

#: An update as it is written: number, whether it is a whole value, content, cuts.
Waiting = tuple[int, bool, "bytes | Mapping[str, Any]", "list[Cut] | None"]


class Batch(NamedTuple):
    """Updates taken to be written.

    :ivar updates: none if they were left out
    :ivar sizes: of each, in bytes
    :ivar first: the count of the first update, with those that `updates` leaves out since a whole
        value replaced them
    :ivar last: the count of the last one
    :ivar has_left_out: updates are missing, so the value must be written whole
    """

    updates: list[Waiting]
    sizes: list[int]
    first: int
    last: int
    has_left_out: bool


class Pending:
    """Updates that wait to be written.

    The publishing threads call `append`, the writer all else, each holding the lock of the state.

    :param count: of the updates of earlier runs
    """

    __slots__ = (
        "_bytes",
        "_is_idle",
        "_sizes",
        "_updates",
        "_waking",
        "count",
        "has_left_out",
        "taken",
    )

    def __init__(self, count: int) -> None:
        #: the updates of all runs
        self.count = count
        #: those taken by the writer
        self.taken = count
        #: updates are missing until the value is taken whole
        self.has_left_out = False
        self._updates: list[Waiting] = []
        self._sizes: list[int] = []
        #: of the updates, but for a whole value
        self._bytes = 0
        self._is_idle = False
        self._waking = LightEvent()

    def append(
        self,
        number: int,
        is_whole: bool,
        content: bytes | Mapping[str, Any],
        size: int,
        cuts: list[Cut] | None = None,
    ) -> None:
        """Take an update to be written; HOT, with the lock of the state held.

        :param number: the state's own number
        :param is_whole: it replaces the value
        :param content: of `state` on the wire, packed or not; must not be changed afterwards
        :param size: about how many bytes it has, packed
        :param cuts: the runs of a large one
        """
        self.count += 1
        if not self.has_left_out:
            if is_whole:
                # what comes before makes no difference any more
                self._clear()
            else:
                self._bytes += size
            self._updates.append((number, is_whole, content, cuts))
            self._sizes.append(size)
            if self._bytes > MOST_BYTES or len(self._updates) > MOST_UPDATES:
                self.leave_out()
        if self._is_idle:
            self._is_idle = False
            self._waking.set()

    def _clear(self) -> None:
        self._updates, self._sizes = [], []
        self._bytes = 0

    def leave_out(self) -> None:
        """Drop what waits; the value is to be written whole."""
        self._clear()
        self.has_left_out = True

    def take(self) -> Batch:
        """Return what waits."""
        first, self.taken = self.taken + 1, self.count
        batch = Batch(self._updates, self._sizes, first, self.count, self.has_left_out)
        self._clear()
        return batch

    def take_whole(self) -> None:
        """Note that the value is taken as of now: updates count again."""
        self._clear()
        self.has_left_out = False
        self.taken = self.count

    def is_empty(self) -> bool:
        """Return True if nothing waits; the next update then wakes who waits with `wait`."""
        if self._updates or self.has_left_out:
            return False
        self._is_idle = True
        return True

    def wait(self, timeout_s: float | None) -> None:
        """Wait for the first update after `is_empty`, or for `wake`; without the lock."""
        self._waking.wait(timeout_s)
        self._waking.clear()

    def wake(self) -> None:
        """Let `wait` return; any thread, without the lock."""
        self._waking.set()
