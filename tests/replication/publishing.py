"""The runs of a simulated publisher, its stores, and those who speak where it does."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.frozen import thaw
from sf_actors.replication.values.patch import snapshot
from tests.replication.messages import Delta, Fill, Heartbeat, Whole, thaw_plain
from tests.replication.shapes import SHAPE, plain_merge

if TYPE_CHECKING:
    from sf_actors.replication.actions import Ask

HEARTBEAT_S = 1.0
LONG_INTERVAL_S = 3.5
"""Of some runs, whose heartbeats are further apart than a replica would wait."""
LOG_SIZE = 4
QUEUE_SIZE = 20


class Publishing:
    """One publisher's runs; what it sends lies in lists until something is done with it.

    :ivar histories: of each epoch the plain value after each update
    :ivar numbers: of each epoch the caller's number after each update
    :ivar skipped: of each epoch the updates that are skipped
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 100.0
        self.histories: dict[int, dict[int, dict[str, Any]]] = {}
        self.numbers: dict[int, dict[int, int]] = {}
        self.skipped: dict[int, set[int]] = {}
        self.runs: dict[int, int] = {}
        self.published: list[Delta] = []
        self.subscription: list[Delta | Heartbeat] = []
        self.requests: list[Ask] = []
        self.answers: list[Whole | Fill] = []
        #: the answers of which a part has come
        self.begun: list[Whole | Fill] = []
        self.next_heartbeat = self.now
        self.counts: Counter[str] = Counter()

    def start_publisher(self, *, is_clock_set_back: bool = False, lost: int | None = None) -> None:
        """Start another run.

        :param lost: updates that its store lacks; None: it has none and begins anew
        """
        self.counts["start"] += 1
        self.counts["clock set back"] += is_clock_set_back
        newest = max(self.runs, default=10**6)
        oldest = min(self.runs, default=10**6)
        epoch = oldest - 1 if is_clock_set_back else newest + self.rng.randrange(1, 1000)
        # without a digest it merges the changes of tables later
        has_digest = len(self.runs) % 2 == 0
        is_loading = len(self.runs) % 2 == 1
        self.last_log = getattr(self, "publisher", None)
        self.publisher = PublisherLog(
            SHAPE, epoch=epoch, log_size=LOG_SIZE, digest=has_digest, is_loading=is_loading
        )
        base, plain, number = -1, {}, -1
        if lost is None:
            self.is_by_caller = len(self.runs) % 3 == 1
        else:
            base, plain, number = self._stored(lost)
        self.interval_s = LONG_INTERVAL_S if len(self.runs) % 4 == 1 else HEARTBEAT_S
        self.next_heartbeat = self.now + self.interval_s
        self.numbers[epoch] = {base: number}
        # the value that one begins with which loads is never to be seen
        self.histories[epoch] = {} if is_loading else {base: plain}
        self.unpublished = base, plain
        self.skipped[epoch] = set()
        self.runs[epoch] = len(self.runs)
        self.requests.clear()
        # what is left of an answer that has come in part is gone with the publisher
        left = [one for one in self.answers if not any(one is begun for begun in self.begun)]
        self.counts["parts cut off"] += len(self.answers) - len(left)
        self.answers[:] = left
        self.begun.clear()
        self.heartbeat()

    def _stored(self, lost: int) -> tuple[int, dict[str, Any], int]:
        """Have the new run go on from what its store has of the one before."""
        before = self.last_log
        history, first = self.histories[before.epoch], self.unpublished[0]
        base = max(first, before.count - lost)
        plain = history.get(base, self.unpublished[1])
        number = self.numbers[before.epoch][base]
        self.counts["stored"] += 1
        self.counts["lost by its store"] += base < before.count
        if base >= 0:
            value = snapshot(thaw_plain(plain), SHAPE, partial=True)
            self.publisher.resume(value, base, number if self.is_by_caller else None)
        return base, plain, number

    def publish(self, fields: dict[str, Any], *, is_snapshot: bool, leap: int = 0) -> None:
        """Publish, which may raise PatchRefused.

        :param leap: how far the number is from the next, where the caller gives the numbers
        """
        self.counts["publish"] += 1
        log = self.publisher
        self.counts["loading ends"] += log.is_loading
        history, numbers, count = self.histories[log.epoch], self.numbers[log.epoch], log.count + 1
        given = numbers[count - 1] + 1 + leap if self.is_by_caller else None
        frame = b"%d" % len(self.published)
        log.publish(fields, is_snapshot=is_snapshot, number=given, frame=frame)
        before = history.get(count - 1, self.unpublished[1])
        history[count], numbers[count] = before, numbers[count - 1]
        if given is not None and not is_snapshot and given <= numbers[count - 1]:
            self.counts["skipped"] += 1
            self.skipped[log.epoch].add(count)
        else:
            plain = thaw_plain(fields)
            history[count] = plain if is_snapshot else plain_merge(before, plain)
            numbers[count] = count if given is None else given
            self.counts["numbered anew"] += numbers[count] <= numbers[count - 1]
        delta = Delta(log.epoch, count, is_snapshot, thaw_plain(fields), given)
        self.published.append(delta)
        self._send(delta)

    def heartbeat(self) -> None:
        log = self.publisher
        beat = Heartbeat(log.epoch, log.count, log.digest, log.is_loading, self.interval_s)
        self._send(beat)

    def finish_loading(self) -> None:
        log = self.publisher
        if log.is_loading:
            self.counts["empty after loading"] += 1
            log.loaded()
            base, plain = self.unpublished
            self.histories[log.epoch][base] = plain

    def intrude(self, *, is_larger: bool, head: int) -> None:
        """Have somebody else publish on the same bus, for whom nobody answers."""
        self.counts["intruder"] += 1
        epoch = max(self.runs) + 10**9 if is_larger else min(self.runs) - 10**5
        self._send(Heartbeat(epoch, head, None))

    def _send(self, message: Delta | Heartbeat) -> None:
        if len(self.subscription) < QUEUE_SIZE:
            self.subscription.append(message)
        else:
            self.counts["replica too slow"] += 1

    def answer(self, ask: Ask) -> Whole | Fill:
        log = self.publisher
        if log.is_loading:
            self.counts["asked while loading"] += 1
            return Whole(ask.token, log.epoch, -1, None, {}, is_loading=True)
        frames = log.since(ask.epoch, ask.after)
        if frames is not None:
            deltas = [self.published[int(frame)] for frame in frames]
            return Fill(ask.token, log.epoch, deltas, log.own_count)
        given = None if log.own_count is None else log.number
        return Whole(ask.token, log.epoch, log.count, given, thaw(log.value))

    def answer_of_a_stranger(self, ask: Ask) -> Whole:
        """Have a publisher answer that publishes elsewhere."""
        self.counts["stranger"] += 1
        epoch = max(self.runs) + 10**6
        self.histories[epoch], self.numbers[epoch] = {3: {"price": -1}}, {3: 3}
        self.skipped[epoch] = set()
        return Whole(ask.token, epoch, 3, None, {"price": -1})
