"""Calls, replies and connections in any order, and what the rules of a call must make of them."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sf_actors.connections.call_rules import CallRules, CallState, Peer
from tests.support.effort import effort

STEPS = 40
RULES = settings(
    max_examples=effort(1_000, brief=40),
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NAMES = st.sampled_from("abc")
KEYS = st.sampled_from([None, None, b"a", b"b", b"c"])


class Told:
    """What a test knows of a call: what became of each of its attempts."""

    def __init__(self, call: CallState) -> None:
        self.call = call
        self.retries_left = call.retries_left
        self.fates: dict[bytes, str] = {}
        self.sent_by: dict[bytes, str] = {}

    @property
    def unsure(self) -> list[bytes]:
        """The attempts that a handler may have, from the first one on."""
        return [attempt for attempt, fate in self.fates.items() if fate != "unhandled"]


class Machine(RuleBasedStateMachine):
    """Callers, three peers, and connections that come and go.

    :ivar there: the peers that are connected
    :ivar stopping: those of them that said so
    :ivar full: those that take no more at the moment
    :ivar away: those that a try to connect to failed, or that were lost
    """

    rules_type: ClassVar[type[CallRules]] = CallRules
    is_idempotent: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.peers = {name: Peer(name) for name in "abc"}
        self.rules = self.rules_type(list(self.peers.values()), is_idempotent=self.is_idempotent)
        self.calls: list[Told] = []
        self.numbers = 0
        self.there: set[str] = set()
        self.stopping: set[str] = set()
        self.full: set[str] = set()
        self.away: set[str] = set()
        self.last_uses: dict[str, int] = dict.fromkeys("abc", 0)
        #: where calls of a key went, by the peers that they had to choose from
        self.homes: dict[tuple[bytes, frozenset[str]], str] = {}

    def usable(self) -> set[str]:
        return {peer.name for peer in self.rules.peers} & self.there - self.stopping - self.full

    def send(self, told: Told) -> None:
        """Send a call if it can be sent now, and see that it goes where it must."""
        call = told.call
        if not call.is_unsent:
            return
        peer = self.rules.choose(call)
        name = None if peer is None else peer.name
        unsure = told.unsure
        if unsure and not self.is_idempotent:
            home = told.sent_by[unsure[-1]]
            is_there = home in self.there - self.stopping - self.full
            assert name == (home if is_there else None), "a retry goes to the same peer"
        elif call.key is None:
            self.require_least(name)
        else:
            self.require_home(call.key, name)
        if peer is not None:
            self.numbers += 1
            attempt = b"%d" % self.numbers
            self.rules.sent(call, peer, attempt)
            told.fates[attempt] = "under way"
            told.sent_by[attempt] = peer.name
            self.last_uses[peer.name] = self.numbers

    def require_least(self, name: str | None) -> None:
        """See that the peer with the fewest attempts under way is used, the one least lately."""
        loads = {
            usable: (len(self.peers[usable].under_way), self.last_uses[usable])
            for usable in sorted(self.usable())
        }
        assert loads.get(name or "") == min(loads.values(), default=None)

    def require_home(self, key: bytes, name: str | None) -> None:
        """See that a key has one peer, which it keeps as long as that is there."""
        if len(self.rules.peers) == 1:
            assert name == next(iter(self.usable()), None)
            return
        known = {peer.name for peer in self.rules.peers}
        choice = frozenset(known - self.away - self.stopping)
        if name is None:
            home = self.homes.get((key, choice))
            assert not choice or choice - self.usable(), "not connected yet, or full"
            assert home not in self.usable()
            return
        assert name in choice & self.usable()
        for other in "abc":
            more, fewer = (key, choice | {other}), (key, choice - {other})
            assert self.homes.get(more, name) in {name, other}, "only what one takes over moves"
            assert name == other or self.homes.get(fewer, name) == name
        assert self.homes.setdefault((key, choice), name) == name

    def send_all(self) -> None:
        for told in self.calls:
            self.send(told)

    @initialize(names=st.sets(NAMES))
    def connect_at_first(self, names: set[str]) -> None:
        for name in sorted(names):
            self.connect(name)

    @rule(retries=st.integers(0, 3), key=KEYS)
    def begin(self, retries: int, key: bytes | None) -> None:
        self.calls.append(Told(CallState(retries, key)))
        self.send(self.calls[-1])

    @rule(name=NAMES)
    def connect(self, name: str) -> None:
        if name not in self.there:
            self.there.add(name)
            self._forget(name)
            self.rules.connected(self.peers[name])
            self.send_all()

    def _forget(self, name: str) -> None:
        self.stopping.discard(name)
        self.full.discard(name)
        self.away.discard(name)

    @rule(name=NAMES)
    def lose(self, name: str) -> None:
        """Lose a connection, or find that none can be made."""
        self.there.discard(name)
        self._forget(name)
        self.away.add(name)
        self.rules.lost(self.peers[name])
        assert not self.peers[name].under_way
        for told in self.calls:
            for attempt, fate in told.fates.items():
                if told.sent_by[attempt] == name and fate == "under way":
                    told.fates[attempt] = "lost"
        self.send_all()

    @rule(name=NAMES)
    def restart(self, name: str) -> None:
        self.lose(name)
        self.connect(name)

    @rule(name=NAMES)
    def say_stopping(self, name: str) -> None:
        if name in self.there:
            self.stopping.add(name)
            self.peers[name].is_stopping = True

    @rule(name=NAMES)
    def be_full(self, name: str) -> None:
        if name in self.there:
            self.full.add(name)
            self.peers[name].is_full = True

    @rule()
    def look(self) -> None:
        """Have room again."""
        self.full.clear()
        for peer in self.peers.values():
            peer.is_full = False
        self.send_all()

    def under_way(self) -> list[tuple[Peer, bytes]]:
        return [(peer, id_) for peer in self.peers.values() for id_ in peer.under_way]

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Answer an attempt: an earlier one than the last, or one of a call that has ended."""
        peer, attempt = data.draw(st.sampled_from(self.under_way()))
        owner = self.owner_of(attempt)
        call = self.rules.answered(peer, attempt)
        assert call is (owner.call if owner else None), "late, but of a call that waits"
        assert self.rules.answered(peer, attempt) is None, "a second time"
        if owner is not None:
            self.end(owner)

    @rule(name=NAMES, number=st.integers(0, 50))
    def answer_what_was_not_asked(self, name: str, number: int) -> None:
        attempt = b"%d" % number
        if attempt not in self.peers[name].under_way:
            assert self.rules.answered(self.peers[name], attempt) is None

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def answer_unhandled(self, data: st.DataObject) -> None:
        peer, attempt = data.draw(st.sampled_from(self.under_way()))
        self.stopping.add(peer.name)
        owner = self.owner_of(attempt)
        was_unsent = owner is not None and owner.call.is_unsent
        again = self.rules.unhandled(peer, attempt)
        if owner is None:
            assert again is None
            return
        owner.fates[attempt] = "unhandled"
        assert (again is owner.call) == (not owner.unsure)
        assert owner.call.is_unsent == (was_unsent or not owner.unsure)
        self.send_all()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def let_time_pass(self, data: st.DataObject) -> None:
        told = data.draw(st.sampled_from(self.calls))
        if self.rules.time_is_over(told.call):
            told.retries_left -= 1
            assert told.call.is_unsent
            self.send(told)
        else:
            assert told.retries_left == 0
            self.end(told)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def break_off(self, data: st.DataObject) -> None:
        """Have a caller leave without a reply."""
        self.end(data.draw(st.sampled_from(self.calls)))

    @rule(names=st.sets(NAMES, min_size=1))
    def connect_elsewhere(self, names: set[str]) -> None:
        chosen = [self.peers[name] for name in sorted(names)]
        self.rules.retired = [p for p in self.peers.values() if p not in chosen]
        self.rules.peers = chosen
        self.send_all()

    def owner_of(self, attempt: bytes) -> Told | None:
        return next((told for told in self.calls if attempt in told.fates), None)

    def end(self, told: Told) -> None:
        self.calls.remove(told)
        self.rules.ended(told.call)
        assert not told.call.is_unsent

    @invariant()
    def attempts_are_known_on_both_sides(self) -> None:
        for told in self.calls:
            waiting = {id_ for id_, fate in told.fates.items() if fate == "under way"}
            assert set(told.call.attempts) == waiting
            for id_ in waiting:
                assert self.peers[told.sent_by[id_]].under_way[id_] is told.call
        alive = {id(told.call) for told in self.calls}
        for peer in self.peers.values():
            for waiting_call in peer.under_way.values():
                assert waiting_call is None or id(waiting_call) in alive

    @invariant()
    def only_a_time_that_is_over_uses_up_a_retry(self) -> None:
        assert all(told.call.retries_left == told.retries_left >= 0 for told in self.calls)

    @invariant()
    def no_call_waits_beside_a_place_that_is_free_for_it(self) -> None:
        for told in self.calls:
            if told.call.is_unsent and told.call.key is None and not told.unsure:
                assert not self.usable()


class IdempotentMachine(Machine):
    is_idempotent = True
