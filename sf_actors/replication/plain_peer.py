"""Interprets the numbers of a publisher without epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.publishers_beside import UNHEARD

if TYPE_CHECKING:
    from sf_actors.replication.publisher_progress import PublisherProgress


BEFORE_FIRST: Final = -1
"""The number of a value before the first update."""


class PlainPeer:
    """A publisher without epochs: the original's, or any program with plain sockets.

    A restart shows only in a number that is not above those heard, unless a snapshot that contains
    the number has overtaken it: such numbers follow the last one heard, or come within a heartbeat
    of the snapshot.

    :param heard: the progress of the publisher, from its messages
    """

    def __init__(self, heard: PublisherProgress, heartbeat_s: float) -> None:
        self._heard = heard
        self._heartbeat_s = heartbeat_s
        self.begin()

    def begin(self) -> None:
        """Forget everything: another publisher is followed."""
        # the highest number heard before the last snapshot, and the number of that snapshot
        self._said = self._in_snapshot = UNHEARD
        self._answered_at = 0.0
        self._is_unnumbered = False

    def begin_at(self, number: int) -> None:
        """Note the first number of a run: those above it have not been heard."""
        self.begin()
        self._heard.head = number

    def count_of_snapshot(self, now: float, number: int, heard: int) -> int:
        """Return the number at which a snapshot is taken: its own, unless that is 0.

        The original numbers all its snapshots 0. Such a snapshot contains all that was heard before
        the request, and merging an update twice does no harm.

        :param heard: the highest number heard when it was requested
        """
        count = number or max(0, heard)
        self._said = self._last_said()
        self._in_snapshot, self._answered_at = count, now
        self._is_unnumbered = number == 0 and heard in {UNHEARD, BEFORE_FIRST}
        return count

    @staticmethod
    def is_numbered(epoch: int | None, number: int) -> bool:
        """Return True if the number of a snapshot says how much it contains."""
        return epoch is not None or number != 0

    def is_before_first(self, fields: Any) -> bool:
        """Return True if the last snapshot, with these fields, was made before the first update.

        It is empty, its number says nothing, and nothing was heard: an update between it and the
        first one that is heard would be missing, whatever their numbers are.
        """
        return self._is_unnumbered and not fields

    def is_in_snapshot(self, now: float, number: int) -> bool:
        """Return True, and note it, if the last snapshot has overtaken this number."""
        said = self._last_said()
        is_soon = now < self._answered_at + self._heartbeat_s
        if not said < number <= self._in_snapshot or not (is_soon or number == said + 1):
            return False
        self._said = number
        return True

    def _last_said(self) -> int:
        # numbers above that of the snapshot were heard after it
        return self._heard.head if self._heard.head > self._in_snapshot else self._said
