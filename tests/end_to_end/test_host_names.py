"""Services that connect to host names: what they resolve to is used, and followed elsewhere."""

from __future__ import annotations

import threading
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.connections import liveness
from sf_actors.replication.status import Phase
from sf_actors.sockets import names
from tests.support.bare_sockets import bare
from tests.support.doubling_service import asking, doubling
from tests.support.models import counters, endpoint_of
from tests.support.numbered_news import join, publishing, subscribing
from tests.support.ports import held_port
from tests.support.state_pair import bus, following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Resolver:
    """Answers look-ups of "desk"; those of "silent" hang until the test is over."""

    def __init__(self) -> None:
        self.hosts: tuple[str, ...] = ("127.0.0.1",)
        self.is_over = threading.Event()

    def __call__(self, host: str) -> tuple[str, ...]:
        if host == "silent":
            self.is_over.wait(PATIENCE_S)
        if host != "desk" or not self.hosts:
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
    with (
        asking("desk:1", timeout_s=0.3) as ours,
        pytest.raises(RequestTimeout, match="cannot resolve the host 'desk': Name or service"),
    ):
        ours.ask(1)


def test_a_name_that_cannot_be_resolved_is_one_warning_of_a_model(
    resolver: Resolver, capfd: pytest.CaptureFixture[str]
) -> None:
    resolver.hosts = ()
    with asking("desk:1", timeout_s=0.5) as ours, pytest.raises(RequestTimeout):
        ours.ask(1)
    assert capfd.readouterr().err.count("cannot resolve the host 'desk'") == 1


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
            assert monotonic() - began_at < 1


def test_a_stop_waits_for_no_look_up(resolver: Resolver) -> None:
    got: Queue[Any] = Queue()
    with subscribing("silent:1", got):
        began_at = monotonic()
    assert monotonic() - began_at < PATIENCE_S / 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_subscriber_uses_whatever_a_name_resolves_to(resolver: Resolver, host: str) -> None:
    resolver.hosts = ("127.0.0.1", "::1")
    got: Queue[Any] = Queue()
    with (
        publishing(f"{host}:0") as sender,
        subscribing(named(endpoint_of(sender.service, "it", "out")), got),
    ):
        join(sender, got)


def test_a_subscriber_follows_a_name_that_points_elsewhere(resolver: Resolver) -> None:
    got: Queue[Any] = Queue()
    with held_port() as port, subscribing(f"desk:{port}", got):
        for host in ("127.0.0.1", "127.0.0.2"):
            resolver.hosts = (host,)
            with publishing(f"{host}:{port}") as sender:
                join(sender, got)


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
            with bare(zmq.XSUB, bind=f"tcp://{host}:{port}") as xsub:
                events = xsub.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
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


def test_a_replica_follows_a_name_that_points_elsewhere(resolver: Resolver) -> None:
    with held_port() as one, held_port() as other:
        bound = {"publisher": f"desk:{one}", "replyer": f"desk:{other}"}
        with following(model("delta_update_in"), towards(bound)) as follower:
            for host in ("127.0.0.1", "127.0.0.2"):
                resolver.hosts = (host,)
                at = {"publisher": f"{host}:{one}", "replyer": f"{host}:{other}"}
                with leading(model("delta_update_out"), addresses=at):
                    follower.wait_for_phase(Phase.LIVE)
