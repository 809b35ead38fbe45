"""Processes that are frozen and thawed: each kind of peer that waits for them says so in its stats.

A frozen process closes nothing, and its kernel goes on to take what is sent to it.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.connections import liveness as pulse
from sf_actors.replication.status import Phase
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.transport import Transport
from sf_actors.testing import running
from tests.support.doubling_service import asking, attempt
from tests.support.freezing import freeze
from tests.support.models import Sender, address_of, at, counters, publisher, service, subscriber
from tests.support.processes import Process
from tests.support.services import REPLYER_FILE
from tests.support.state_pair import following, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PUBLISHER_FILE = """
state_models = {'out': {'book': {
    'state_type': 'delta_update_out',
    'required_creation_arguments': {'heartbeat_s': 0.1},
    'required_arguments': {'n': int},
}}}
def init_function(to_send): to_send('state', 'book', {'n': 1})
"""

SUBSCRIBER_FILE = """
def on_message(args):
    print('last' if args['last'] else 'one of many', flush=True)
connection_models = {'in': {'news': {
    'connection_type': 'subscriber',
    'required_creation_arguments': {'on_new_message': on_message},
    'optional_creation_arguments': {'high_water_mark': 5},
    'required_arguments': {'last': bool, 'pad': bytes},
}}}
"""

FEED_FILE = """
connection_models = {'out': {'news': {
    'connection_type': 'publisher',
    'required_arguments': {'n': int},
}}}
"""


@contextmanager
def process_of(folder: Path, file: str, addresses: dict[str, Any]) -> Iterator[Process]:
    (folder / "svc.py").write_text(file)
    (folder / "addresses.json").write_text(json.dumps(addresses))
    with Process("-s", "svc.py", "-a", "addresses.json", cwd=folder) as process:
        process.wait_until_ready()
        yield process


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    """Have a process do nothing while the block runs."""
    freeze(process.popen.pid)
    try:
        yield
    finally:
        process.popen.send_signal(signal.SIGCONT)


def test_a_frozen_replyer_is_a_timeout_that_is_counted_and_answers_when_it_is_thawed(
    tmp_path: Path,
    new_address: Callable[[], str],
) -> None:
    address = new_address()
    given = {"connections": {"in": {"echo": {"replyer": address}}}}
    with process_of(tmp_path, REPLYER_FILE, given) as process, asking(address, timeout_s=0.3) as us:
        until(lambda: attempt(us, 1) == {"n": 1})
        before = us.counters["timeouts"]
        with frozen(process), pytest.raises(RequestTimeout):
            us.ask(2)
        assert us.counters["timeouts"] == before + 1
        until(lambda: attempt(us, 3) == {"n": 3})


def test_a_frozen_publisher_makes_its_replica_stale_until_it_is_thawed(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    addresses = {name: new_address() for name in ("publisher", "replyer")}
    given = {"states": {"out": {"book": addresses}}}
    with (
        process_of(tmp_path, PUBLISHER_FILE, given) as process,
        following(
            model("delta_update_in", {"n": int}, stale_after_s=0.5), towards(addresses)
        ) as follower,
    ):
        follower.wait_for({"n": 1})
        with frozen(process):
            follower.wait_for_phase(Phase.STALE)
            assert follower.stats["status"]["phase"] == "STALE"
            assert follower.value == {"n": 1}
        follower.wait_for_phase(Phase.LIVE)


def test_a_frozen_subscriber_costs_its_publisher_counted_messages_and_comes_back(
    tmp_path: Path,
) -> None:
    sender = Sender()
    fields = {"last": bool, "pad": bytes}
    out = {"news": publisher(fields, high_water_mark=5)}
    module = service(outbound=out, init_function=sender.__call__)
    with running(module, addresses=at(outbound={"news": "127.0.0.1:0"})) as served:
        address = address_of(served, "news", "out")

        def dropped() -> int:
            return int(counters(served, "news", "out")["dropped"].get("queue_full", 0))

        def send(*, last: bool) -> None:
            sender.connection("news", {"last": last, "pad": bytes(50_000)})

        given = {"connections": {"in": {"news": {"subscriber": address}}}}
        with process_of(tmp_path, SUBSCRIBER_FILE, given) as process:
            # a peer that is frozen before it has subscribed is sent nothing
            until(lambda: send(last=False) or has_said(process, "one of many"))
            with frozen(process):
                until(lambda: send(last=False) or dropped() > 0)
            until(lambda: send(last=True) or has_said(process, "last"))


@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_a_frozen_publisher_is_missed_by_its_subscriber_until_it_is_thawed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    scheme: str,
    new_address: Callable[[], str],
) -> None:
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.1)
    address = new_address() if scheme == "tcp" else f"ipc://{tmp_path}/news"
    given = {"connections": {"out": {"news": {"publisher": address}}}}
    module = service(inbound={"news": subscriber(lambda args: None, {"n": int})})
    with (
        process_of(tmp_path, FEED_FILE, given) as process,
        running(module, addresses=at({"news": address})) as served,
    ):

        def peers() -> Any:
            return counters(served, "news")["peers"]

        until(lambda: peers() == 1)
        with frozen(process):
            until(lambda: peers() == 0)
        until(lambda: peers() == 1)
        process.popen.kill()
        until(lambda: peers() == 0)
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    changes = [line for line in logged if line["event"].startswith("publisher")]
    assert [line["level"] for line in changes] == ["warning", "info", "warning"]
    assert changes[0]["reason"].startswith("frozen")
    # it is refused, or was asked at the very moment when it went
    assert changes[2]["reason"].startswith(("refused", "it ends"))
    assert {line["address"] for line in changes} == {address}


def has_said(process: Process, line: str) -> bool:
    try:
        return bool(process.wait_for_line(line, timeout_s=0.02))
    except AssertionError:
        return False


# ZeroMQ's own heartbeats


@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.SUB, zmq.XPUB])
def test_no_socket_has_heartbeats_that_abort_the_process(kind: int) -> None:
    transport = Transport()
    creation = {"high_water_mark": 1, "max_message_bytes": 1000, "topic": None}
    opened, _ = transport.bound(kind, parse("127.0.0.1:0", where="here"), creation, where="here")
    try:
        assert opened.getsockopt(zmq.HEARTBEAT_IVL) == 0
        assert opened.getsockopt(zmq.TCP_KEEPALIVE) == 1
    finally:
        transport.unbind(opened)
        transport.shut(lambda: None)


STUCK_FILE = """
import time
def on_request(args):
    time.sleep(args['n'])
    return {'n': 1}
connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'optional_creation_arguments': {'high_water_mark': 2},
    'required_arguments': {'n': int},
    'required_return_arguments': {'n': int},
}}}
"""


def send_for_ever(dealer: zmq.Socket[bytes], request: bytes) -> None:
    while True:
        dealer.send_multipart([b"", request])


@pytest.mark.skipif("SF_ACTORS_SOAK" not in os.environ, reason="SF_ACTORS_SOAK=1 runs it: 12 s")
def test_who_fills_a_queue_and_goes_does_not_end_the_process(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    """With heartbeats each 5 s libzmq aborted here at the second one."""
    import msgpack

    address = new_address()
    given = {"connections": {"in": {"echo": {"replyer": address}}}}
    with process_of(tmp_path, STUCK_FILE, given) as process:
        host, _, port = address.rpartition(":")
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.sndhwm, dealer.sndbuf = 1, 8_192
            dealer.connect(f"tcp://{host}:{port}")
            dealer.send_multipart([b"", msgpack.packb({"args": {"n": 12}})])
            dealer.sndtimeo = 500
            with pytest.raises(zmq.Again):
                send_for_ever(dealer, msgpack.packb({"args": {"n": 0}}))
        with zmq.Context() as context, context.socket(zmq.REQ) as req:
            req.linger, req.rcvtimeo = 0, int(PATIENCE_S * 3000)
            req.connect(f"tcp://{address}")
            req.send(msgpack.packb({"args": {"n": 0}}))
            assert msgpack.unpackb(req.recv())["return_args"] == {"n": 1}
        assert process.popen.poll() is None
