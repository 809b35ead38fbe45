"""Keys that were chosen to have one hash hold up nobody, whoever sends them and in what."""

from __future__ import annotations

import json
import signal
from decimal import Decimal
from itertools import product
from threading import Event
from time import monotonic, perf_counter, process_time
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.cli import command as cli
from sf_actors.errors import InvalidArguments
from sf_actors.testing import module_of, running
from tests.security.chosen_keys import PRIME, fields_with
from tests.security.victim import PATIENCE_S, Bystander, Victim, message
from tests.support.bare_sockets import ask, bare
from tests.support.effort import IS_FULL, effort
from tests.support.models import ANY_PORT, endpoint_of, replyer
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

KINDS = ("decimals", "uuids", "pairs")

#: How much longer another's call may take during an attack, in seconds. Unhindered such keys take
#: seconds; on a busy machine a process may have to wait for more than 0.1 s until it gets a
#: processor.
LONGER_S = 1.0

#: Calls of another that are measured at least.
CALLS = effort(500, brief=100)

#: Messages of an attack, and what is said of each.
ATTACKS = 3
REFUSED = "expected keys whose hashes differ"


def dropped(victim: Victim, side: str, name: str) -> Any:
    return victim.counters("connections", side, name)["dropped"]


def wait_until_refused(
    victim: Victim, side: str, name: str, before: Any, patience_s: float = PATIENCE_S
) -> None:
    """Wait until all messages of an attack are counted."""
    deadline, pause = monotonic() + patience_s, Event()
    while (now := dropped(victim, side, name)) != {"invalid": before.get("invalid", 0) + ATTACKS}:
        assert monotonic() < deadline, now
        pause.wait(0.05)


def attack_by_request(victim: Victim, _bystander: Bystander, fields: bytes) -> None:
    before = dropped(victim, "in", "open")
    with bare(zmq.REQ, connect=victim.endpoint("open.replyer")) as asking:
        asking.rcvtimeo = 60_000
        for _ in range(ATTACKS):
            assert ask(asking, message(args=fields))["error"]["type"] == "InvalidMessage"
    wait_until_refused(victim, "in", "open", before)


def attack_by_reply(victim: Victim, _bystander: Bystander, fields: bytes) -> None:
    before = dropped(victim, "out", "asked")
    with bare(zmq.REQ, connect=victim.endpoint("ask.replyer")) as asking:
        for _ in range(ATTACKS):
            ask(asking, {"args": {"n": 1}})
            assert victim.villain.replyer.poll(int(PATIENCE_S * 1000))
            victim.villain.replyer.recv()
            victim.villain.replyer.send(message(return_args=fields))
            victim.process.wait_for_line("the call failed")
    wait_until_refused(victim, "out", "asked", before)


def attack_by_publication(victim: Victim, bystander: Bystander, fields: bytes) -> None:
    before = dropped(victim, "in", "told")
    with bare(zmq.PUB, connect=victim.endpoint("told.subscriber")) as publisher:
        victim.be_told(publisher)
        for _ in range(ATTACKS):
            publisher.send(message(args=fields))
        # none of them is lost with the socket, and nobody else calls meanwhile
        bystander.slowest_of(CALLS)
        wait_until_refused(victim, "in", "told", before, 60)


def attack_by_delta(victim: Victim, _bystander: Bystander, fields: bytes) -> None:
    for _ in range(ATTACKS):
        victim.follow()
        victim.villain.delta(1, fields)
        victim.process.wait_for_line(REFUSED)


def attack_by_snapshot(victim: Victim, _bystander: Bystander, fields: bytes) -> None:
    for _ in range(ATTACKS - 1):

        def is_answered() -> bool:
            victim.villain.heartbeat(0)
            return bool(victim.villain.answer_with(0.1, 0, fields))

        until(is_answered, "a request for a snapshot", 60.0)
    victim.process.wait_for_line(REFUSED)


WAYS = {
    "request": attack_by_request,
    "reply": attack_by_reply,
    "publication": attack_by_publication,
    "delta": attack_by_delta,
    "snapshot": attack_by_snapshot,
}

#: Each in a process of its own: each way, and each kind, once.
OF_PEERS_CALLED = [("reply", "uuids"), ("delta", "pairs"), ("snapshot", "decimals")]
if IS_FULL:
    OF_PEERS_CALLED = list(product(("reply", "delta", "snapshot"), KINDS))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """Give one that has one attack after the other behind it, by who connects to it."""
    with Victim(tmp_path_factory.mktemp("attacked")) as running_:
        running_.leave_alone()
        yield running_


def require_calls_go_on(victim: Victim, way: str, kind: str) -> None:
    fields = fields_with(kind)
    with Bystander(victim) as bystander:
        usual_s = bystander.slowest_of(CALLS)
        calls = len(bystander.waits_s)
        WAYS[way](victim, bystander, fields)
        slowest_s = bystander.slowest_since(calls, 100)
    assert slowest_s <= usual_s + LONGER_S


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["request", "publication"])
def test_the_calls_of_others_go_on_while_chosen_keys_are_refused(
    attacked: Victim, way: str, kind: str
) -> None:
    require_calls_go_on(attacked, way, kind)


@pytest.mark.parametrize(("way", "kind"), OF_PEERS_CALLED)
def test_the_calls_of_others_go_on_while_chosen_keys_of_a_peer_that_was_called_are_refused(
    tmp_path: Path, way: str, kind: str
) -> None:
    with Victim(tmp_path) as victim:
        require_calls_go_on(victim, way, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_with_chosen_keys_is_refused_with_the_computing_of_a_harmless_one(
    attacked: Victim, kind: str
) -> None:
    computed_s = {True: 0.0, False: 0.0}
    with bare(zmq.REQ, connect=attacked.endpoint("open.replyer")) as asking:
        asking.rcvtimeo = 60_000
        for _ in range(ATTACKS):
            for is_harmless in (True, False):
                request = message(args=fields_with(kind, is_harmless=is_harmless))
                before_s = attacked.numbers()["cpu_s"]
                assert ("error" in ask(asking, request)) is not is_harmless
                computed_s[is_harmless] += attacked.numbers()["cpu_s"] - before_s
    # they are refused before most of the work on them: else it takes tens of times as long
    assert computed_s[False] < 3 * computed_s[True], computed_s


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_ends_the_process_while_chosen_keys_come_in(tmp_path: Path, kind: str) -> None:
    fields = fields_with(kind)
    with (
        Victim(tmp_path) as victim,
        bare(zmq.DEALER, connect=victim.endpoint("open.replyer")) as attacking,
    ):
        for _ in range(10):
            attacking.send_multipart([b"", message(args=fields)])
        # from the first answer on the others are being read
        assert attacking.recv_multipart()
        began = monotonic()
        victim.process.interrupt(signal.SIGTERM)
        assert victim.process.wait() == 0
        # those that came by then are read once more, to be given back
        assert monotonic() - began < 8.0  # the deadline is 10 s


def test_keys_that_others_brought_into_a_state_make_no_update_dear() -> None:
    to_sends: list[Any] = []
    kept: list[int] = []

    def keep(args: Any, to_send: Any) -> dict[str, int]:
        """Add what a request brings, in a small update, to the state."""
        to_send("state", "book", {"prices": args["prices"]})
        kept.append(len(args["prices"]))
        return {"n": 1}

    def keep_to_send(to_send: Any) -> None:
        to_sends.append(to_send)

    module = module_of(
        connection_models={"in": {"keep": replyer(keep, {"prices": {Decimal: int}}, {"n": int})}},
        state_models={
            "out": {
                "book": {
                    "state_type": "delta_update_out",
                    "required_arguments": {"prices": {Decimal: int}},
                }
            }
        },
        init_function=keep_to_send,
    )
    addresses = {
        "connections": {"in": {"keep": ANY_PORT}},
        "states": {"out": {"book": {"publisher": ANY_PORT, "replyer": ANY_PORT}}},
    }
    answers = []
    with running(module, addresses=addresses, console_loglevel=None) as served:
        to_send = to_sends[0]
        to_send("state", "book", {"prices": {Decimal(1): 1}})
        with bare(zmq.REQ, connect=endpoint_of(served, "keep")) as asking:
            for start in range(1, 3_001, 100):
                keys = {str(PRIME * n): 1 for n in range(start, start + 100)}
                answers.append(ask(asking, {"args": {"prices": keys}}))
        honest_s = []
        for n in range(20):
            began = perf_counter()
            to_send("state", "book", {"prices": {Decimal(f"10.{n}"): 1}})
            honest_s.append(perf_counter() - began)
    errors = {answer["error"]["type"] for answer in answers if "error" in answer}
    assert errors == {InvalidArguments.__name__}
    assert "error" not in answers[0]
    assert sum(kept) < 3_000
    assert sorted(honest_s)[10] < 0.02


def test_a_config_file_with_chosen_keys_is_an_error_within_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service, config = tmp_path / "svc.py", tmp_path / "config.json"
    service.write_text(
        "from decimal import Decimal\n"
        "config_model = {'required': {'prices': {Decimal: int}}}\n"
        "def main(): pass\n"
    )
    config.write_text(json.dumps({"prices": {str(PRIME * n): 1 for n in range(1, 20_001)}}))
    began = process_time()
    status = cli.main(["-s", str(service), "-m", "-c", str(config), "-cl", "NONE"])
    computed_s = process_time() - began
    error = capsys.readouterr().err
    assert status == 2
    assert "'prices'" in error
    assert REFUSED in error
    assert error.count("\n") == 1
    assert computed_s < 1.0
