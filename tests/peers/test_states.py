"""States between the original and us, both ways."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.peers.original import keeping, original
from tests.support.effort import IS_FULL
from tests.support.processes import PATIENCE_S
from tests.support.state_pair import following, leading, lose, model, towards
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.state_pair import Follower

pytestmark = pytest.mark.slow

#: As long as another process may take.
until_peer = partial(until, patience_s=PATIENCE_S)

ROWS = {"state": {str: int}}

#: All of them in full, else for either kind of state each once.
TOPICS: list[str | None] = [None, "book"] if IS_FULL else [None]
OTHER_TOPICS: list[str | None] = [None, "book"] if IS_FULL else ["book"]

#: How its in-state says what it holds: it calls no handler, so a replyer is asked.
FOLLOWS = """
    state_models = {{'in': {{'book': {{
        'state_type': 'delta_update_in',
        'optional_creation_arguments': {creation!r},
        'required_state_arguments': {{'current_num': int, 'is_snapshot': bool}},
        'required_arguments': {{'state': dict}},
    }}}}}}

    def on_new_request(args, to_send, states, config):
        return {{'book': states['book']}}

    connection_models = {{'in': {{'look': {{
        'connection_type': 'replyer',
        'required_creation_arguments': {{'on_new_request': on_new_request}},
        'required_return_arguments': {{'book': dict}},
    }}}}}}
"""

PUBLISHES = """
    import time

    state_models = {{'out': {{'book': {{
        'state_type': 'delta_update_out',
        'optional_creation_arguments': {creation!r},
        'required_state_arguments': {{'current_num': int, 'is_snapshot': bool}},
        'required_arguments': {{'state': dict}},
    }}}}}}

    def main(to_send, config):
        number = 0
        while True:
            if number == {leaps_at}:
                number += 10
            state = {{'n': number, 'row%d' % (number % 5): number}}
            to_send('state', 'book', {{
                'current_num': number, 'is_snapshot': False, 'state': state,
            }})
            number += 1
            time.sleep(0.005)
"""


def next_value(follower: Follower) -> Any:
    """Return the value after the next update; not an empty one, as its first snapshot may be.

    The peer may have to be started yet.
    """
    while not (value := follower.updates.get(timeout=PATIENCE_S).value):
        pass
    return value


def creation(topic: str | None) -> dict[str, str]:
    return {} if topic is None else {"topic": topic}


@contextmanager
def looking(address: str) -> Iterator[Callable[[], Any]]:
    """Give a function that asks the peer for the value of its in-state."""
    senders: list[Callable[..., Any]] = []
    asks = {
        "connection_type": "requester",
        "optional_creation_arguments": {"timeout_s": PATIENCE_S},
        "required_return_arguments": {"book": dict},
    }
    with running(
        module_of(
            "looking",
            connection_models={"out": {"look": asks}},
            init_function=keeping(senders),
        ),
        addresses={"connections": {"out": {"look": {"requester": address}}}},
        console_loglevel=None,
    ):
        yield lambda: senders[0]("connection", "look", {})["book"]


@pytest.mark.parametrize("topic", TOPICS)
def test_its_full_update_in_follows_our_full_update_out(topic: str | None, tmp_path: Path) -> None:
    service_file = f"""
        def model_function(args, to_send, states, config):
            print('value', args['n'], states['book'] == args)

        state_models = {{'in': {{'book': {{
            'state_type': 'full_update_in',
            'optional_creation_arguments': {{
                **{creation(topic)!r}, 'model_function': model_function,
            }},
            'required_arguments': {{'n': int}},
        }}}}}}
    """
    with leading(model("full_update_out", {"n": int}, topic=topic)) as leader:
        leader.send(n=1)  # before it is there: it gets the last value at once
        with original(
            tmp_path, service_file, {"states": {"in": {"book": towards(leader.addresses)}}}
        ) as peer:
            assert peer.wait_for_line("value") == "value 1 True"
            leader.send(n=2)
            assert peer.wait_for_line("value 2") == "value 2 True"


@pytest.mark.parametrize("topic", OTHER_TOPICS)
def test_our_full_update_in_follows_its_full_update_out(
    topic: str | None, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    service_file = f"""
        import time

        state_models = {{'out': {{'book': {{
            'state_type': 'full_update_out',
            'optional_creation_arguments': {creation(topic)!r},
            'required_arguments': {{'n': int}},
        }}}}}}

        def main(to_send, config):
            n = 0
            while True:
                to_send('state', 'book', {{'n': n}})
                n += 1
                time.sleep(0.01)
    """
    address = new_address()
    with (
        original(
            tmp_path,
            service_file,
            {"states": {"out": {"book": {"publisher": address}}}},
            main_mode=True,
        ),
        following(
            model("full_update_in", {"n": int}, topic=topic), {"subscriber": address}
        ) as follower,
    ):
        first = follower.updates.get(timeout=PATIENCE_S).value["n"]
        values = [follower.next_update().value["n"] for _ in range(5)]
        assert values == list(range(first + 1, first + 6))
        follower.wait_for_phase(Phase.LIVE)
        assert follower.status.epoch is None


@pytest.mark.parametrize("topic", OTHER_TOPICS)
def test_its_delta_update_in_follows_our_delta_update_out(
    topic: str | None, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    """Our heartbeats pass it by, and over a gap it asks for the snapshot."""
    look_address = new_address()
    with (
        leading(model("delta_update_out", ROWS, topic=topic, heartbeat_s=0.05)) as leader,
        original(
            tmp_path,
            FOLLOWS.format(creation=creation(topic)),
            {
                "states": {"in": {"book": towards(leader.addresses)}},
                "connections": {"in": {"look": {"replyer": look_address}}},
            },
        ) as peer,
        looking(look_address) as look,
    ):
        assert look() == {}
        sent = 0

        def is_heard() -> bool:
            nonlocal sent
            sent += 1
            leader.send(state={"a": sent})
            return bool(look())

        until_peer(is_heard)
        until_peer(lambda: look() == {"a": sent})
        asked = leader.stats["received"]
        leader.send(state={"b": 1})
        leader.send(state={"b": 2, "a": None})
        until_peer(lambda: look() == {"b": 2})
        assert leader.stats["received"] == asked
        lose(leader, state={"c": 3})
        leader.send(state={"d": 4})
        until_peer(lambda: look() == {"b": 2, "c": 3, "d": 4})
        assert leader.stats["received"] > asked
        asked = leader.stats["received"]
        leader.send(state={"d": None})
        until_peer(lambda: look() == {"b": 2, "c": 3})
        assert leader.stats["received"] == asked
        assert leader.stats["dropped"] == {}
        assert peer.popen.poll() is None


def test_its_delta_update_in_takes_our_whole_updates(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    look_address = new_address()
    with (
        leading(model("delta_update_out", ROWS, numbered=True)) as leader,
        original(
            tmp_path,
            FOLLOWS.format(creation={}),
            {
                "states": {"in": {"book": towards(leader.addresses)}},
                "connections": {"in": {"look": {"replyer": look_address}}},
            },
        ),
        looking(look_address) as look,
    ):
        number = -1

        def is_heard() -> bool:
            nonlocal number
            number += 1
            leader.send(current_num=number, is_snapshot=True, state={"a": number})
            return bool(look())

        until_peer(is_heard)
        leader.send(current_num=number + 1, is_snapshot=True, state={"z": 1})
        leader.send(current_num=number + 2, is_snapshot=False, state={"y": 2})
        until_peer(lambda: look() == {"z": 1, "y": 2})


@pytest.mark.parametrize("topic", TOPICS)
def test_our_delta_update_in_follows_its_delta_update_out(
    topic: str | None, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    with (
        original(
            tmp_path,
            PUBLISHES.format(creation=creation(topic), leaps_at=-1),
            {"states": {"out": {"book": addresses}}},
            main_mode=True,
        ),
        following(
            model("delta_update_in", ROWS, numbered=True, topic=topic), towards(addresses)
        ) as follower,
    ):
        first, n = next_value(follower)["n"], next_value(follower)["n"]
        # its snapshot may be older than our subscription: what came between is asked for again
        while n > first + 1:
            first, n = n, next_value(follower)["n"]
        # its snapshots do not say how new they are: what followed may come once more, to no harm
        while n <= first + 1:
            n += 1
            assert follower.next_update().value["n"] == n
        for expected in range(n + 1, n + 50):
            args, value = follower.next_update()
            assert args == {"state": {"n": expected, f"row{expected % 5}": expected}}
            rows = {f"row{i % 5}": i for i in range(max(0, expected - 4), expected + 1)}
            assert value == {"n": expected, **rows}
        assert follower.status.phase is Phase.LIVE
        assert (follower.status.epoch, follower.status.error) == (None, None)


def test_over_a_gap_our_delta_update_in_asks_it_for_the_snapshot(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    with (
        original(
            tmp_path,
            PUBLISHES.format(creation={}, leaps_at=300),
            {"states": {"out": {"book": addresses}}},
            main_mode=True,
        ),
        following(model("delta_update_in", ROWS), towards(addresses)) as follower,
    ):
        value = next_value(follower)
        assert value["n"] < 300, "the peer was too quick for this test"
        newest = 0
        while newest < 330:
            # its snapshots do not say how new they are: what followed may come once more, and
            # until it has come, rows are newer than it
            if value["n"] > newest:
                newest = value["n"]
                sent = [n for n in range(newest + 1) if not 300 <= n < 310]
                assert value == {"n": newest, **{f"row{n % 5}": n for n in sent[-5:]}}
            value = follower.next_update().value
        assert follower.status.gaps >= 1
        assert follower.status.resyncs >= 1
        until(lambda: follower.status.phase is Phase.LIVE)


def test_a_peer_that_is_killed_is_stale_and_followed_again_when_it_comes_back(
    tmp_path: Path,
    new_address: Callable[[], str],
) -> None:
    addresses = {"publisher": new_address(), "replyer": new_address()}
    theirs = {"states": {"out": {"book": addresses}}}
    service_file = PUBLISHES.format(creation={}, leaps_at=-1)
    with following(
        model("delta_update_in", ROWS, stale_after_s=0.5), towards(addresses)
    ) as follower:
        with original(tmp_path, service_file, theirs, main_mode=True):
            follower.updates.get(timeout=PATIENCE_S)
            until_peer(lambda: follower.status.number > 500)
        follower.wait_for_phase(Phase.STALE)
        # ten times as slow: it begins at 0 again, unsaid, and is heard before it is at 500
        slow_file = service_file.replace("sleep(0.005)", "sleep(0.05)")
        with original(tmp_path, slow_file, theirs, main_mode=True):
            until_peer(lambda: 0 < follower.value["n"] < 500)
