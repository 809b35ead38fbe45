"""Finds out if a subscriber's publisher is alive, since its silence may be normal.

A subscriber that has read nothing for some time probes its publisher's address (see `Probe`).
ZeroMQ's own heartbeats cannot be used (see `transport`), and a publisher that is frozen or gone
sends nothing. The probe tests the peer at the address: with a bus it says nothing about the
publishers behind it, and a peer that would refuse our keys greets too.

=========================== ======================================================================
event                       result
=========================== ======================================================================
a tick, something was read  alive; the next check is in `HEARTBEAT_S`
a tick, nothing was read    a probe is opened, with `ANSWER_S` to be greeted
the probe is greeted        alive
the probe is refused        not alive; another probe at the next tick
no greeting in time         not alive; a connected probe stays open, so that a publisher that thaws
                            is noticed at once, and a frozen one does not collect connections that
                            it must accept later
=========================== ======================================================================

Each change is logged. After a sign of life there is no check for `HEARTBEAT_S`, so a publisher that
comes and goes causes at most one warning in that time.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.actors.inbox import Pollable
from sf_actors.sockets.probe import NoPeer, Probe, ProbeFailed, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.actors.inbox import SocketInbox
    from sf_actors.counters import Counters
    from sf_actors.log import PackageLogger
    from sf_actors.sockets.endpoint import Endpoint

#: Silence after which a publisher is probed, in seconds: short enough to be useful in monitoring,
#: long enough that a thousand subscribers are no burden.
HEARTBEAT_S = 5.0

#: How long a publisher may take to greet, in seconds.
ANSWER_S = 2.0


class ProbeGreeted:
    """The probe may have been greeted."""


class PublisherLiveness:
    """Sets a subscriber's `peers` to 1 while its publisher answers, else 0, and logs each change.

    Runs in the subscriber's thread; `end` may also run in a thread that has taken it over.

    :param inbox: the subscriber's; its deadline must not be used for anything else
    :param endpoint: the publisher's
    :param at: returns its numeric form where its host is a name; None while that is unknown
    :param counters: the subscriber's: `received` is read, `peers` is written
    :param where: the model, for the log
    """

    def __init__(
        self,
        inbox: SocketInbox,
        endpoint: Endpoint,
        counters: Counters,
        log: PackageLogger,
        *,
        where: str,
        at: Callable[[Endpoint], Endpoint | None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._endpoint = endpoint
        self._counters = counters
        self._log = log
        self._where = where
        self._at = at
        has_name = at is not None and endpoint.is_name
        self._can_ask = has_name or target_of(endpoint) is not None
        self._received = counters.received
        self._probe: Probe | None = None
        self._awaited: Pollable | None = None
        #: a publisher may start after its subscribers, so the first failure is not logged
        self._may_come_later = True
        self._is_loss_logged = False
        self._waits_for_host = False
        counters.peers = 0 if self._can_ask else None

    def begin(self) -> None:
        """Probe for the first time."""
        if self._can_ask:
            self._ask()

    def on_found(self) -> None:
        """Probe for the first time, now that the host is known."""
        if self._waits_for_host:
            self._waits_for_host = False
            self._ask()

    def on_tick(self) -> None:
        """Check whether anything was read since the last tick; if not, probe."""
        if not self._can_ask:
            return
        if self._counters.received != self._received:
            self._note_alive()
        elif self._probe is None:
            self._ask()
        else:
            self._see(self._probe, is_time_over=True)

    def on_inside(self) -> None:
        """Expect one message more: the last one came from inside, so it is no sign of life."""
        self._received += 1

    def on_greeting(self) -> None:
        """Read the probe, which may have been greeted."""
        if self._probe is not None:
            self._see(self._probe, is_time_over=False)

    def end(self) -> None:
        """Stop checking and close the probe; may be called twice."""
        self._drop_probe()
        self._inbox.deadline = None

    def _ask(self) -> None:
        numeric = self._endpoint if self._at is None else self._at(self._endpoint)
        target = None if numeric is None else target_of(numeric)
        if target is None:
            # a host that cannot be looked up is logged where it is looked up
            self._waits_for_host = True
            self._counters.peers = 0
            self._look_again(HEARTBEAT_S)
            return
        try:
            self._probe = Probe(target)
        except ProbeFailed:
            # missing descriptors are logged by the check at each tick (see `descriptors`)
            self._look_again(HEARTBEAT_S)
        except NoPeer as error:
            self._note_lost(str(error))
        else:
            self._awaited = Pollable(self._probe.fd, ProbeGreeted())
            self._inbox.watch(self._awaited)
            self._look_again(ANSWER_S)

    def _see(self, probe: Probe, *, is_time_over: bool) -> None:
        try:
            # before the deadline: the greeting may have come while this process was frozen itself
            if probe.has_greeted():
                self._note_alive()
            elif is_time_over:
                reason = probe.silence()
                if not probe.is_connected:
                    self._drop_probe()
                self._note_lost(reason)
            elif self._awaited is not None:
                self._awaited.drained()
        except NoPeer as error:
            self._drop_probe()
            self._note_lost(str(error))
        except ProbeFailed:
            self._drop_probe()
            self._look_again(HEARTBEAT_S)

    def _note_alive(self) -> None:
        self._drop_probe()
        self._received = self._counters.received
        self._counters.peers = 1
        self._may_come_later = False
        if self._is_loss_logged:
            self._is_loss_logged = False
            self._log.info("publisher answers", model=self._where, address=str(self._endpoint))
        self._look_again(HEARTBEAT_S)

    def _note_lost(self, reason: str) -> None:
        self._counters.peers = 0
        if self._may_come_later:
            self._may_come_later = False
        elif not self._is_loss_logged:
            self._is_loss_logged = True
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
