"""Services that connect to host names: what they resolve to is used, and followed elsewhere."""

from __future__ import annotations

import threading
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout, Service
from sf_actors.connections import liveness
from sf_actors.replication.status import Phase
from sf_actors.sockets import names
from sf_actors.testing import running
from tests.security.keyrings import Keyring
from tests.support.bare_sockets import bare
from tests.support.doubling_service import N, asking, attempt, doubling
from tests.support.models import (
    at,
    counters,
    endpoint_of,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.numbered_news import join, publishing, subscribing
from tests.support.ports import held_port
from tests.support.processes import Process
from tests.support.state_pair import bus, following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Resolver:
    """Answers look-ups of "desk"; those of "silent" hang until the test is over or says so."""

    def __init__(self) -> None:
        self.hosts: tuple[str, ...] = ("127.0.0.1",)
        self.is_over = threading.Event()

    def __call__(self, host: str) -> tuple[str, ...]:
        if host == "silent":
            self.is_over.wait(PATIENCE_S)
        if host not in ("desk", "silent") or not self.hosts:
            raise OSError(-2, "Name or service not known")
        return self.hosts


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(names, "resolved", resolver)
    yield resolver
    resolver.is_over.set()
    until(lambda: not any(t.name == "sf_actors/names" for t in threading.enumerate()))


def named(address: str) -> str:
    return f"desk:{address.rpartition(':')[2]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_requester_uses_whatever_a_name_resolves_to(resolver: Resolver, host: str) -> None:
    resolver.hosts = (host,)
    shown = f"[{host}]" if ":" in host else host
    with (
        held_port() as port,
        doubling(f"{shown}:{port}"),
        asking(f"desk:{port}", timeout_s=PATIENCE_S) as ours,
    ):
        assert ours.ask(4) == {"n": 8}


def test_a_requester_tries_the_addresses_of_a_name_in_turn(resolver: Resolver) -> None:
    resolver.hosts = ("127.0.0.1", "::1")
    with (
        held_port() as port,
        doubling(f"[::1]:{port}"),
        asking(f"desk:{port}", timeout_s=PATIENCE_S) as ours,
    ):
        assert ours.ask(4) == {"n": 8}


def test_a_requester_follows_a_name_that_points_elsewhere(resolver: Resolver) -> None:
    with held_port() as port, asking(f"desk:{port}", timeout_s=PATIENCE_S) as ours:
        for host in ("127.0.0.1", "127.0.0.2"):
            resolver.hosts = (host,)
            with doubling(f"{host}:{port}"):
                assert ours.ask(1) == {"n": 2}


def test_a_name_that_cannot_be_resolved_stands_in_the_timeout(resolver: Resolver) -> None:
    resolver.hosts = ()
    with asking("desk:1", timeout_s=0.3) as ours:

        def told() -> bool:
            with pytest.raises(RequestTimeout) as caught:
                ours.ask(1)
            return "cannot resolve the host 'desk': Name or service" in str(caught.value)

        # a busy machine looks it up later than the first call ends
        until(told, "the reason")


@pytest.mark.slow
def test_a_name_that_cannot_be_resolved_is_one_warning_of_a_model(
    resolver: Resolver, capfd: pytest.CaptureFixture[str]
) -> None:
    resolver.hosts = ()
    warning, logged = "cannot resolve the host 'desk'", ""

    def asked() -> int:
        nonlocal logged
        assert attempt(ours, 1) is None
        logged += capfd.readouterr().err
        return logged.count(warning)

    with asking("desk:1", timeout_s=0.3) as ours:
        until(asked, "the warning")
        assert asked() == 1


def test_a_name_that_hangs_holds_up_no_call_to_another_address(resolver: Resolver) -> None:
    with (
        held_port() as port,
        doubling(f"127.0.0.1:{port}"),
        asking("silent:1", timeout_s=0.2) as stuck,
    ):
        with pytest.raises(RequestTimeout, match="'silent' is still being looked up"):
            stuck.ask(1)
        with asking(f"127.0.0.1:{port}") as ours:
            began_at = monotonic()
            assert ours.ask(1) == {"n": 2}
            assert monotonic() - began_at < PATIENCE_S / 2


def test_a_stop_waits_for_no_look_up(resolver: Resolver) -> None:
    got: Queue[Any] = Queue()
    with subscribing("silent:1", got):
        began_at = monotonic()
    assert monotonic() - began_at < PATIENCE_S / 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.slow
def test_a_subscriber_uses_whatever_a_name_resolves_to(resolver: Resolver, host: str) -> None:
    resolver.hosts = ("127.0.0.1", "::1")
    got: Queue[Any] = Queue()
    with (
        publishing(f"{host}:0") as sender,
        subscribing(named(endpoint_of(sender.service, "it", "out")), got),
    ):
        join(sender, got)


@pytest.mark.slow
def test_a_subscriber_follows_a_name_that_points_elsewhere(resolver: Resolver) -> None:
    got: Queue[Any] = Queue()
    with held_port() as port, subscribing(f"desk:{port}", got):
        for host in ("127.0.0.1", "127.0.0.2"):
            resolver.hosts = (host,)
            with publishing(f"{host}:{port}") as sender:
                join(sender, got)


@pytest.mark.slow
def test_a_publisher_at_the_second_address_of_a_name_is_no_silent_one(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(liveness, "HEARTBEAT_S", 0.3)
    resolver.hosts = ("127.0.0.1", "::1")
    got: Queue[Any] = Queue()
    with (
        publishing("[::1]:0") as sender,
        subscribing(named(endpoint_of(sender.service, "it", "out")), got) as subscribed,
    ):
        until(lambda: counters(subscribed, "it")["peers"] == 1, "the publisher")
        join(sender, got)
        until(lambda: counters(subscribed, "it")["peers"] == 1, "the publisher")
    assert "does not answer" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_publisher_behind_a_name_that_goes_is_told(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "HEARTBEAT_S", 0.1)
    got: Queue[Any] = Queue()
    with held_port() as port, subscribing(f"desk:{port}", got) as subscribed:
        for _ in range(2):
            with publishing(f"127.0.0.1:{port}"):
                until(lambda: counters(subscribed, "it")["peers"] == 1, "the publisher")
            until(lambda: counters(subscribed, "it")["peers"] == 0, "its end")


def test_a_publisher_connects_to_the_name_of_a_bus(resolver: Resolver) -> None:
    got: Queue[Any] = Queue()
    with (
        bus() as between,
        publishing(named(between.xsub), is_x_pub=True) as sender,
        subscribing(named(between.xpub), got, is_x_sub=True),
    ):
        join(sender, got)


def test_a_silent_publisher_follows_the_name_of_a_bus_that_moves(resolver: Resolver) -> None:
    with held_port() as port, publishing(f"desk:{port}", is_x_pub=True):
        for host in ("127.0.0.1", "127.0.0.2"):
            resolver.hosts = (host,)
            with bare(zmq.XSUB) as xsub:
                events = xsub.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
                xsub.bind(f"tcp://{host}:{port}")
                assert events.poll(PATIENCE_S * 1000), "it connects, with nothing to send"
                xsub.disable_monitor()
                events.close()


def test_states_connect_to_the_names_of_a_bus(resolver: Resolver) -> None:
    with bus() as between:
        leader = leading(
            model("full_update_out", is_x_pub=True), addresses={"publisher": named(between.xsub)}
        )
        follower = following(
            model("full_update_in", is_x_sub=True), {"subscriber": named(between.xpub)}
        )
        with leader as out, follower as replica:
            out.send(title="a", bids={})
            replica.wait_for_phase(Phase.LIVE)


@pytest.mark.slow
def test_a_replica_follows_a_name_that_points_elsewhere(resolver: Resolver) -> None:
    with held_port() as one, held_port() as other:
        bound = {"publisher": f"desk:{one}", "replyer": f"desk:{other}"}
        with following(model("delta_update_in"), towards(bound)) as follower:
            for host in ("127.0.0.1", "127.0.0.2"):
                resolver.hosts = (host,)
                there = {"publisher": f"{host}:{one}", "replyer": f"{host}:{other}"}
                with leading(model("delta_update_out"), addresses=there):
                    follower.wait_for_phase(Phase.LIVE)


def test_connect_takes_a_name(resolver: Resolver) -> None:
    with (
        held_port() as one,
        held_port() as other,
        doubling(f"127.0.0.1:{other}"),
        asking(f"127.0.0.1:{one}", timeout_s=PATIENCE_S) as ours,
    ):
        ours.service.connect("connections", "out", "ask", f"desk:{other}")
        assert ours.ask(1) == {"n": 2}
    got: Queue[Any] = Queue()
    with (
        held_port() as nobody,
        publishing("127.0.0.1:0") as sender,
        subscribing(f"127.0.0.1:{nobody}", got) as subscribed,
    ):
        moved = named(endpoint_of(sender.service, "it", "out"))
        subscribed.connect("connections", "in", "it", moved)
        join(sender, got)


def test_connect_leaves_a_name_that_hangs(resolver: Resolver) -> None:
    with (
        held_port() as port,
        doubling(f"127.0.0.1:{port}"),
        asking("silent:1", timeout_s=PATIENCE_S) as ours,
    ):
        ours.service.connect("connections", "out", "ask", f"desk:{port}")
        assert ours.ask(1) == {"n": 2}


@pytest.mark.parametrize("kind", ["requester", "subscriber", "publisher"])
def test_a_service_can_be_run_again_while_its_name_is_looked_up(
    resolver: Resolver, kind: str
) -> None:
    told: Queue[Any] = Queue()
    with held_port() as port, bus() as between:
        address = f"silent:{port}"
        if kind == "requester":
            module = service("s", outbound={"it": requester(N, N, timeout_s=PATIENCE_S)})
            places = at(outbound={"it": address})
        elif kind == "subscriber":
            module = service("s", {"it": subscriber(lambda args: told.put(args["n"]), N)})
            places = at({"it": address})
        else:
            module = service("s", outbound={"it": publisher(N, is_x_pub=True)})
            places = at(outbound={"it": f"silent:{between.xsub.rpartition(':')[2]}"})
        again = Service(module, addresses=places, console_loglevel=None)
        for _ in range(3):
            again.run_service()
            again.stop_service()
        with again:
            resolver.is_over.set()
            if kind == "requester":
                with doubling(f"127.0.0.1:{port}"):
                    assert again.to_send("connection", "it", {"n": 2}) == {"n": 4}
            elif kind == "subscriber":
                with publishing(f"127.0.0.1:{port}") as sender:
                    until(lambda: sender.connection("it", {"n": 7}) or not told.empty(), "it")
            else:
                with subscribing(between.xpub, told, is_x_sub=True):
                    until(lambda: again.to_send("it", {"n": 7}) or not told.empty(), "it")


def test_services_with_keys_find_each_other_by_names(resolver: Resolver, tmp_path: Path) -> None:
    server, client = Keyring(tmp_path / "server"), Keyring(tmp_path / "client")
    server.authorize(client)
    client.trust(server)
    inbound = {"it": replyer(lambda args: {"n": 2 * args["n"]}, N, N)}
    outbound = {"it": requester(N, N, timeout_s=PATIENCE_S)}
    with (
        held_port() as port,
        running(
            service("there", inbound), addresses=at({"it": f"127.0.0.1:{port}"}), keys=server.folder
        ),
        running(
            service("here", outbound=outbound),
            addresses=at(outbound={"it": f"desk:{port}"}),
            keys=client.folder,
        ) as here,
    ):
        assert here.to_send("connection", "it", {"n": 2}) == {"n": 4}


FORK = """
import os, threading
from queue import Queue
from sf_actors.sockets import names

is_forked = threading.Event()

def resolved(host):
    if host == 'silent':
        is_forked.wait(20)
    return ('127.0.0.1',)

def looked_up(host):
    told = Queue()
    names.NAMES.look_up(host, lambda hosts, problem: told.put(hosts))
    return told

names.resolved = resolved
silent = looked_up('silent')
child = os.fork()
if child == 0:
    # not the parent's look-up, whose thread is not here
    ok = looked_up('desk').get(timeout=20) == ('127.0.0.1',)
    is_forked.set()
    ok = ok and looked_up('silent').get(timeout=20) == ('127.0.0.1',)
    os._exit(0 if ok else 1)
print('child', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
is_forked.set()
print('parent', silent.get(timeout=20))
"""


@pytest.mark.slow
def test_a_fork_during_a_look_up_leaves_the_child_its_own() -> None:
    with Process("-c", FORK, module=None) as process:
        assert process.wait() == 0, process.err
    assert process.out == ["child 0", "parent ('127.0.0.1',)"]
