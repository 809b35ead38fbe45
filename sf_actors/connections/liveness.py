"""Whether the publisher of a subscriber lives: silence is normal there, so it is asked for.

A subscriber that has read nothing for a while probes the address of its publisher (see `Probe`).
ZeroMQ's own heartbeats cannot be used (see `transport`), and whatever else a subscriber hears of a
publisher that is frozen or gone is nothing. Whoever listens there is asked: of publishers behind a
bus nothing is known, and one that refuses our keys greets all the same.

=========================== ======================================================================
what comes                  what is done
=========================== ======================================================================
a tick, something was read  it lives; the next look is in `HEARTBEAT_S`
a tick, nothing was read    a probe is opened, for which `ANSWER_S` are given
the probe is greeted        it lives
the probe is refused        it does not; another probe at the next tick
nobody greets in time       it does not; a probe that is connected stays open, so that a publisher
                            that is thawed is noticed at once, and one that is not does not collect
                            connections that it has to accept some day
=========================== ======================================================================

Each change is logged. After a sign of life nothing is looked at for `HEARTBEAT_S`, so no publisher
can cause more than one warning in that time, however often it comes and goes.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.actors.inbox import Pollable
from sf_actors.sockets.probe import CannotAsk, NoPeer, Probe, target_of

if TYPE_CHECKING:
    from sf_actors.actors.inbox import SocketInbox
    from sf_actors.counters import Counters
    from sf_actors.log import Logger
    from sf_actors.sockets.endpoint import Endpoint

#: After how long a silence a publisher is asked for, in seconds: often enough to be of use to who
#: watches, seldom enough that a thousand subscribers are no burden.
HEARTBEAT_S = 5.0

#: How long a publisher may take to greet, in seconds.
ANSWER_S = 2.0


class Greeting:
    """The probe may have been greeted."""


class PublisherLiveness:
    """Shows in the `peers` of a subscriber whether its publisher answers, and logs each change.

    Runs in the thread of the subscriber; `end` may also run in one that has taken it over.

    :param inbox: whose deadline is used for nothing else
    :param endpoint: of the publisher
    :param counters: of the subscriber: `received` is read, `peers` is written
    :param where: the model, for the log
    """

    def __init__(
        self, inbox: SocketInbox, endpoint: Endpoint, counters: Counters, log: Logger, *, where: str
    ) -> None:
        self._inbox = inbox
        self._endpoint = endpoint
        self._counters = counters
        self._log = log
        self._where = where
        self._target = target_of(endpoint)
        self._received = counters.received
        self._probe: Probe | None = None
        self._awaited: Pollable | None = None
        #: a publisher may be started after its subscribers: the first time is not told
        self._may_come_later = True
        self._is_told = False
        counters.peers = None if self._target is None else 0

    def begin(self) -> None:
        """Ask for the first time."""
        if self._target is not None:
            self._ask(self._target)

    def on_tick(self) -> None:
        """See what was heard since the last time, and ask if that is nothing."""
        if self._target is None:
            return
        if self._counters.received != self._received:
            self._lives()
        elif self._probe is None:
            self._ask(self._target)
        else:
            self._see(self._probe, is_time_over=True)

    def on_greeting(self) -> None:
        """See what the probe was told."""
        if self._probe is not None:
            self._see(self._probe, is_time_over=False)

    def end(self) -> None:
        """Ask no more, and close what is open; may be called twice."""
        self._drop_probe()
        self._inbox.deadline = None

    def _ask(self, target: tuple[int, str | tuple[str, int]]) -> None:
        try:
            self._probe = Probe(target)
        except CannotAsk:
            # what is missing is logged by who looks for it at each tick (see `descriptors`)
            self._look_again(HEARTBEAT_S)
        except NoPeer as error:
            self._is_lost(str(error))
        else:
            self._awaited = Pollable(self._probe.fd, Greeting())
            self._inbox.watch(self._awaited)
            self._look_again(ANSWER_S)

    def _see(self, probe: Probe, *, is_time_over: bool) -> None:
        try:
            # first of all: who was frozen itself finds the greeting behind a deadline long past
            if probe.has_greeted():
                self._lives()
            elif is_time_over:
                reason = probe.silence()
                if not probe.is_connected:
                    self._drop_probe()
                self._is_lost(reason)
            elif self._awaited is not None:
                self._awaited.drained()
        except NoPeer as error:
            self._drop_probe()
            self._is_lost(str(error))
        except CannotAsk:
            self._drop_probe()
            self._look_again(HEARTBEAT_S)

    def _lives(self) -> None:
        self._drop_probe()
        self._received = self._counters.received
        self._counters.peers = 1
        self._may_come_later = False
        if self._is_told:
            self._is_told = False
            self._log.info("publisher answers", model=self._where, address=str(self._endpoint))
        self._look_again(HEARTBEAT_S)

    def _is_lost(self, reason: str) -> None:
        self._counters.peers = 0
        if self._may_come_later:
            self._may_come_later = False
        elif not self._is_told:
            self._is_told = True
            self._log.warning(
                "publisher does not answer",
                model=self._where,
                address=str(self._endpoint),
                reason=reason,
            )
        self._look_again(HEARTBEAT_S)

    def _look_again(self, after_s: float) -> None:
        self._inbox.deadline = monotonic() + after_s

    def _drop_probe(self) -> None:
        if self._awaited is not None:
            self._inbox.forget(self._awaited)
            self._awaited = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None
