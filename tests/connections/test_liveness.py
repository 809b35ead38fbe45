"""The pulse of a publisher: asked for when it is silent, shown, and logged once for each change."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.actors.inbox import TICK, SocketInbox
from sf_actors.connections import liveness as pulse
from sf_actors.connections.liveness import ProbeGreeted, PublisherLiveness
from sf_actors.counters import Counters
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.probe import Probe, ProbeFailed
from sf_actors.testing import running
from tests.conftest import open_descriptors
from tests.security.keyrings import Keyring
from tests.sockets.test_probe import SIGNATURE
from tests.support.actor_faults import kill
from tests.support.bare_sockets import bare
from tests.support.models import at, counters, publisher, service, subscriber
from tests.support.numbered_news import N
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

LOST, BACK = ("warning", "publisher does not answer"), ("info", "publisher answers")


class Log:
    """What was logged: level and event; `fields` are those of the last line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.fields: dict[str, Any] = {}

    def warning(self, event: str, **fields: Any) -> None:
        self._keep("warning", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._keep("info", event, fields)

    def _keep(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, event))
        self.fields = fields


class Patient:
    """A pulse with an inbox of its own, where the test is the actor."""

    def __init__(self, address: str) -> None:
        self.inbox = SocketInbox()
        self.counters = Counters("received", "peers")
        self.log: Any = Log()
        endpoint = parse(address, where="here")
        self.pulse = PublisherLiveness(self.inbox, endpoint, self.counters, self.log, where="it")
        self.pulse.begin()

    def step(self) -> str:
        """Wait for one message and act on it."""
        message = self.inbox.get().message
        if message is TICK:
            self.pulse.on_tick()
            return "tick"
        assert isinstance(message, ProbeGreeted)
        self.pulse.on_greeting()
        return "greeting"

    def ticks(self, count: int) -> None:
        while count:
            count -= self.step() == "tick"

    def until_peers(self, count: int) -> None:
        until(lambda: self.counters.peers == count or (self.step() and False), f"{count} peers")


@contextmanager
def pulse_of(address: str) -> Iterator[Patient]:
    patient = Patient(address)
    try:
        yield patient
    finally:
        patient.pulse.end()
        patient.inbox.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.2)


@pytest.fixture
def patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a publisher that is there take as long to greet as a busy machine lets it."""
    monkeypatch.setattr(pulse, "ANSWER_S", PATIENCE_S)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen at `it`, and say nothing: what the kernel does for a process that is frozen."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(f"{tmp_path}/it")
        opened.listen()
        opened.settimeout(PATIENCE_S)
        yield opened


@pytest.mark.usefixtures("patiently")
def test_a_publisher_that_is_there_is_one_peer_and_nothing_is_logged(tmp_path: Path) -> None:
    with bare(zmq.PUB, bind=f"ipc://{tmp_path}/it"), pulse_of(f"ipc://{tmp_path}/it") as patient:
        assert patient.counters.peers == 0
        patient.until_peers(1)
        patient.ticks(3)
        patient.until_peers(1)
        assert patient.log.lines == []


@pytest.mark.usefixtures("patiently")
def test_a_publisher_that_comes_later_is_not_missed_until_the_second_time(tmp_path: Path) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        assert patient.log.lines == []
        patient.ticks(1)
        assert patient.log.lines == [LOST]
        assert patient.log.fields["reason"].startswith("refused")
        patient.ticks(3)
        assert (patient.counters.peers, patient.log.lines) == (0, [LOST])
        with bare(zmq.PUB, bind=f"ipc://{tmp_path}/it"):
            patient.until_peers(1)
        assert patient.log.lines == [LOST, BACK]


@pytest.mark.usefixtures("patiently")
def test_a_publisher_that_goes_is_missed_at_once(tmp_path: Path) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        with bare(zmq.PUB, bind=f"ipc://{tmp_path}/it"):
            patient.until_peers(1)
        patient.until_peers(0)
        assert patient.log.lines == [LOST]
        assert patient.log.fields == {
            "model": "it",
            "address": f"ipc://{tmp_path}/it",
            "reason": "refused: nobody listens there",
        }


def test_one_connection_waits_for_a_frozen_publisher_until_it_greets(
    listening: socket.socket, tmp_path: Path
) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.ticks(4)
        assert patient.log.lines == [LOST]
        assert patient.log.fields["reason"].startswith("frozen")
        accepted, _ = listening.accept()
        with accepted:
            listening.setblocking(False)
            with pytest.raises(BlockingIOError):
                listening.accept()
            accepted.sendall(SIGNATURE)
            patient.until_peers(1)
        assert patient.log.lines == [LOST, BACK]


def test_a_message_is_as_good_as_a_greeting(listening: socket.socket, tmp_path: Path) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.ticks(2)
        assert patient.log.lines == [LOST]
        patient.counters.received += 1
        patient.ticks(1)
        assert patient.counters.peers == 1
        assert patient.log.lines == [LOST, BACK]


def test_a_message_from_inside_the_process_is_no_sign_of_the_publisher(tmp_path: Path) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.ticks(1)
        patient.counters.received += 1
        patient.pulse.on_inside()
        patient.ticks(2)
        assert (patient.counters.peers, patient.log.lines) == (0, [LOST])


def test_who_ends_the_connection_is_asked_again(listening: socket.socket, tmp_path: Path) -> None:
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        for _ in range(2):
            listening.accept()[0].close()
            assert patient.step() == "greeting"
            assert patient.counters.peers == 0
            assert patient.step() == "tick"
        assert patient.log.lines == [LOST]
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(SIGNATURE)
            patient.until_peers(1)
        assert patient.log.lines == [LOST, BACK]


@pytest.mark.usefixtures("patiently")
def test_without_a_descriptor_what_is_known_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_target: object) -> None:
        raise ProbeFailed("Too many open files")

    with bare(zmq.PUB, bind=f"ipc://{tmp_path}/it"), pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.until_peers(1)
        with monkeypatch.context() as patched:
            patched.setattr(pulse, "Probe", none_left)
            patient.ticks(3)
        assert patient.counters.peers == 1
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.ticks(1)
        assert patient.log.lines == [LOST]


def test_a_probe_that_cannot_be_read_says_nothing(
    listening: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(_probe: Probe) -> bool:
        raise ProbeFailed("Cannot allocate memory")

    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        with monkeypatch.context() as patched:
            patched.setattr(Probe, "has_greeted", cannot)
            patient.ticks(4)
        assert patient.log.lines == []
        for _ in range(3):
            accepted, _ = listening.accept()
            with accepted, suppress(BrokenPipeError):
                accepted.sendall(SIGNATURE)
        patient.until_peers(1)


def test_a_greeting_counts_though_its_time_is_over_by_now(
    listening: socket.socket, tmp_path: Path
) -> None:
    """So it is when we were frozen ourselves: the deadline comes first, and is long past."""
    with pulse_of(f"ipc://{tmp_path}/it") as patient:
        patient.ticks(2)
        assert patient.log.lines == [LOST]
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(SIGNATURE)
            patient.pulse.on_tick()
        assert patient.counters.peers == 1
        assert patient.log.lines == [LOST, BACK]


@pytest.mark.parametrize("address", ["inproc://it", "some.host:80"])
def test_where_nothing_can_be_asked_the_number_is_not_known(address: str) -> None:
    with pulse_of(address) as patient:
        assert patient.counters.peers is None
        assert patient.inbox.deadline is None
        patient.pulse.on_tick()
        assert patient.inbox.deadline is None


def test_a_probe_that_waits_is_closed_at_the_end(listening: socket.socket, tmp_path: Path) -> None:
    before = open_descriptors()
    patient = Patient(f"ipc://{tmp_path}/it")
    patient.ticks(2)
    assert open_descriptors() != before
    patient.pulse.end()
    patient.pulse.end()
    patient.inbox.close()
    assert open_descriptors() == before


# as part of a service


def subscribing(address: str, **options: Any) -> Any:
    models = {"it": subscriber(lambda args: None, N)}
    return running(service("subscribing", models), addresses=at({"it": address}), **options)


def test_a_service_stops_and_restarts_its_subscriber_while_a_probe_waits(
    listening: socket.socket, tmp_path: Path
) -> None:
    with subscribing(f"ipc://{tmp_path}/it") as served:
        # what comes first is the probe or libzmq's own connection
        first = [listening.accept()[0] for _ in range(2)]
        kill(served)
        again = [listening.accept()[0] for _ in range(2)]
        until(lambda: counters(served, "it")["restarts"] == 1, "the restart")
        for connection in [*first, *again]:
            connection.close()
        until(lambda: counters(served, "it")["peers"] == 0, "no peer")
    assert counters(served, "it")["peers"] == 0


@pytest.mark.usefixtures("patiently")
@pytest.mark.parametrize("is_secured", [False, True])
def test_a_publisher_is_not_troubled_by_who_asks_for_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    is_secured: bool,
) -> None:
    greeted: list[Probe] = []

    class Noted(Probe):
        def has_greeted(self) -> bool:
            if super().has_greeted():
                greeted.append(self)
            return self in greeted

    monkeypatch.setattr(pulse, "Probe", Noted)
    there, here = Keyring(folder(tmp_path, "there")), Keyring(folder(tmp_path, "here"))
    there.authorize(here)
    here.trust(there)
    keys = [ring.folder if is_secured else None for ring in (there, here)]
    module = service("publishing", outbound={"it": publisher(N)})
    address = f"ipc://{tmp_path}/it"
    with (
        running(module, addresses=at(outbound={"it": address}), keys=keys[0]) as publishing,
        subscribing(address, keys=keys[1]) as served,
    ):
        until(lambda: len(greeted) >= 10, "ten greetings")
        numbers = counters(publishing, "it", "out")
        assert (numbers["dropped"], numbers["last_error"]) == ({}, None)
        until(lambda: counters(publishing, "it", "out")["peers"] == 1, "one peer")
        assert counters(served, "it")["peers"] == 1
    assert "warning" not in capfd.readouterr().err


def folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name
