"""The rules of a call, as a machine that any order of events must leave in a right state."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sf_actors.connections import call_rules
from sf_actors.connections.call_rules import CallRules, CallState, Place

NAMES = st.sampled_from("abc")


class Told:
    """What a test knows of a call: what became of each of its attempts."""

    def __init__(self, call: CallState) -> None:
        self.call = call
        self.fates: dict[bytes, str] = {}
        self.places: set[str] = set()
        self.sent_by: dict[bytes, str] = {}
        self.tries_asked = 1


class Machine(RuleBasedStateMachine):
    is_idempotent = False

    def __init__(self) -> None:
        super().__init__()
        self.places = {name: Place(name) for name in "abc"}
        self.rules = CallRules(list(self.places.values()), is_idempotent=self.is_idempotent)
        self.calls: list[Told] = []
        self.numbers = 0
        self.stopping: set[str] = set()
        self.there: set[str] = set()

    def usable(self) -> set[str]:
        return {place.name for place in self.rules.places} & self.there - self.stopping

    def send(self, told: Told) -> None:
        """Send a call, as soon as it can be."""
        call = told.call
        if not call.is_unsent:
            return
        place = self.rules.choose(call)
        if place is None:
            if not told.fates and call.key is None:
                assert not self.usable(), "a new call goes to any that is there"
            return
        assert place.name in self.there - self.stopping
        assert place in self.rules.places or place is call.place
        unsure = [id_ for id_, fate in told.fates.items() if fate != "unhandled"]
        if unsure and not self.is_idempotent:
            assert place.name == told.sent_by[unsure[-1]], "a retry goes to the same place"
        elif call.key is None:
            least = min(len(self.places[name].under_way) for name in self.usable())
            assert len(place.under_way) == least
        self.numbers += 1
        attempt = b"%d" % self.numbers
        self.rules.sent(call, place, attempt)
        told.fates[attempt] = "under way"
        told.sent_by[attempt] = place.name

    def send_all(self) -> None:
        for told in self.calls:
            self.send(told)

    @rule(retries=st.integers(0, 3), key=st.none() | st.binary(max_size=1))
    def begin(self, retries: int, key: bytes | None) -> None:
        self.calls.append(Told(CallState(retries, key)))
        self.send(self.calls[-1])

    @rule(name=NAMES)
    def connect(self, name: str) -> None:
        if name not in self.there:
            self.there.add(name)
            self.stopping.discard(name)
            self.rules.connected(self.places[name])
            self.send_all()

    @rule(name=NAMES)
    def lose(self, name: str) -> None:
        self.there.discard(name)
        self.stopping.discard(name)
        self.rules.lost(self.places[name])
        assert not self.places[name].under_way
        for told in self.calls:
            for attempt, fate in told.fates.items():
                if told.sent_by[attempt] == name and fate == "under way":
                    told.fates[attempt] = "lost"
        self.send_all()

    @rule(name=NAMES)
    def say_stopping(self, name: str) -> None:
        if name in self.there:
            self.stopping.add(name)
            self.places[name].is_stopping = True

    def under_way(self) -> list[tuple[Place, bytes]]:
        return [(place, id_) for place in self.places.values() for id_ in place.under_way]

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        place, attempt = data.draw(st.sampled_from(self.under_way()))
        owner = next((told for told in self.calls if attempt in told.fates), None)
        call = self.rules.answered(place, attempt)
        assert call is (owner.call if owner else None), "late, but of a call that waits"
        if owner is not None:
            self.calls.remove(owner)
            self.rules.ended(owner.call)

    @precondition(lambda self: self.under_way())
    @rule(data=st.data())
    def answer_unhandled(self, data: st.DataObject) -> None:
        place, attempt = data.draw(st.sampled_from(self.under_way()))
        self.stopping.add(place.name)
        owner = next((told for told in self.calls if attempt in told.fates), None)
        before = owner.call.retries_left if owner else 0
        was_unsent = owner is not None and owner.call.is_unsent
        again = self.rules.unhandled(place, attempt)
        if owner is None:
            assert again is None
            return
        owner.fates[attempt] = "unhandled"
        is_all = set(owner.fates.values()) == {"unhandled"}
        assert (again is owner.call) == is_all
        assert owner.call.retries_left == before, "that is no retry"
        assert owner.call.is_unsent == (is_all or was_unsent)
        self.send_all()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def let_time_pass(self, data: st.DataObject) -> None:
        told = data.draw(st.sampled_from(self.calls))
        before = told.call.retries_left
        if self.rules.time_is_over(told.call):
            assert told.call.retries_left == before - 1
            self.send(told)
        else:
            assert before == 0
            self.calls.remove(told)
            self.rules.ended(told.call)

    @rule(names=st.sets(NAMES, min_size=1))
    def connect_elsewhere(self, names: set[str]) -> None:
        chosen = [self.places[name] for name in sorted(names)]
        self.rules.retired = [p for p in self.places.values() if p not in chosen]
        self.rules.places = chosen
        self.send_all()

    @invariant()
    def attempts_are_known_on_both_sides(self) -> None:
        for told in self.calls:
            waiting = {id_ for id_, fate in told.fates.items() if fate == "under way"}
            assert set(told.call.attempts) == waiting
            for id_ in waiting:
                assert self.places[told.sent_by[id_]].under_way[id_] is told.call
        alive = {id(told.call) for told in self.calls}
        for place in self.places.values():
            for waiting_call in place.under_way.values():
                assert waiting_call is None or id(waiting_call) in alive


class IdempotentMachine(Machine):
    is_idempotent = True


RULES = settings(max_examples=1_000, stateful_step_count=25, deadline=None)
TestCalls = Machine.TestCase
TestCalls.settings = RULES
TestIdempotentCalls = IdempotentMachine.TestCase
TestIdempotentCalls.settings = settings(RULES, max_examples=300)


def test_attempts_of_ended_calls_are_remembered_up_to_a_bound() -> None:
    place = Place("a")
    rules = CallRules([place])
    rules.connected(place)
    for number in range(call_rules.MAX_LATE + 10):
        call = CallState()
        rules.sent(call, place, b"%d" % number)
        rules.ended(call)
    assert len(place.under_way) == call_rules.MAX_LATE
    assert b"0" not in place.under_way


def test_a_key_has_the_same_place_whatever_others_there_are() -> None:
    places = [Place(name) for name in "abcd"]
    rules = CallRules(places)
    for place in places:
        rules.connected(place)
    before = {n: rules.choose(CallState(key=b"%d" % n)) for n in range(100)}
    assert len(set(before.values())) == 4
    rules.lost(places[3])
    for n, place in before.items():
        now = rules.choose(CallState(key=b"%d" % n))
        assert now is place or place is places[3]
