"""Requests that wait, beside a model of them that looks at each one every time."""

from __future__ import annotations

from random import Random

import pytest

from sf_actors.replication.catching_up import CatchingUp
from tests.replication.runs import FollowedRuns, run_of
from tests.support.effort import effort

CATCH_UP_S = 1.0


class Modelled:
    """A request in the model."""

    def __init__(self, name: int, seen: dict[int, int], until: float) -> None:
        self.name = name
        self.seen = seen
        self.until = until
        self.may_go = False


class Model:
    """Lines of requests, each of which is looked at every time."""

    def __init__(self, states: list[FollowedRuns]) -> None:
        self.states = states
        self.lines: dict[int, list[Modelled]] = {}

    def is_lacking(self, epoch: int, count: int) -> bool:
        counts = [state.count_of(epoch) for state in self.states if state.is_followed(epoch)]
        return bool(counts) and min(counts) < count

    def keep(self, now: float, name: int, peer: int, seen: dict[int, int]) -> bool:
        one = Modelled(name, seen, now + CATCH_UP_S)
        self.look(one, now)
        if one.may_go and peer not in self.lines:
            return False
        self.lines.setdefault(peer, []).append(one)
        return True

    def look(self, one: Modelled, now: float) -> None:
        one.may_go = one.may_go or now >= one.until
        # what has come, or comes no more, is not waited for again
        one.seen = {run: n for run, n in one.seen.items() if self.is_lacking(run, n)}
        one.may_go = one.may_go or not one.seen

    def take_ready(self, now: float) -> list[int]:
        ready = []
        for line in self.lines.values():
            for one in line:
                self.look(one, now)
            while line and line[0].may_go:
                ready.append(line.pop(0).name)
        self.lines = {peer: line for peer, line in self.lines.items() if line}
        return ready


@pytest.mark.parametrize("seed", range(effort(40, brief=12)))
def test_the_same_requests_go_on_at_the_same_time_as_in_the_model(seed: int) -> None:
    random, now = Random(seed), 0.0
    states = [FollowedRuns({run: 0}, followed=run, heard_at=0.0) for run in range(3)]
    model = Model(states)
    behind: list[None] = []
    peers: dict[int, int] = {}
    requests: CatchingUp[int] = CatchingUp(
        states,
        catch_up_s=CATCH_UP_S,
        most=10_000,
        count_behind=lambda: behind.append(None),
        wall_ns=lambda: run_of(now),
    )
    kept = gone = 0
    for name in range(1_000):
        state = random.choice(states)
        event = random.random()
        if event < 0.5:
            peer = peers[name] = random.randrange(10)
            seen = {run: random.randrange(300) for run in random.sample(range(5), 2)}
            is_kept = requests.keep(now, name, peer, seen)
            assert is_kept == model.keep(now, name, peer, seen)
            kept += is_kept
        elif event < 0.8 and state.followed is not None:
            state.counts[state.followed] += random.randrange(4)
        elif event < 0.82:
            state.hear(random.randrange(5))
        else:
            now += random.random() / 10
        ready = requests.take_ready(now)
        assert sorted(ready) == sorted(model.take_ready(now))
        for peer in set(map(peers.get, ready)):
            came = [one for one in ready if peers[one] == peer]
            assert came == sorted(came), "in the order of arrival"
        gone += len(ready)
        assert len(requests) == kept - gone
    assert gone > 100
    assert behind
    assert len(requests.take_ready(now + CATCH_UP_S)) == len(model.take_ready(now + CATCH_UP_S))
    assert (len(requests), requests._unready, requests.next_deadline) == (0, 0, None)
