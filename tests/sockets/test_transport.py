"""Addresses in use: every scheme, free ports, taken paths, one port again and again."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.connections import liveness as pulse
from sf_actors.errors import BindError
from sf_actors.sockets import descriptors
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.transport import Transport
from sf_actors.testing import running
from tests.support.bare_sockets import ask, bare
from tests.support.doubling_service import asking
from tests.support.effort import effort
from tests.support.models import address_of, at, counters, endpoint_of, replyer, service, subscriber
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


def serving(address: Any, name: str = "served", **arguments: Any) -> Any:
    model = replyer(lambda args: {"n": args["n"]}, {"n": int}, {"n": int})
    return running(
        service(name, {"it": model}),
        addresses=at({"it": address}),
        stop_timeout_s=3,
        **arguments,
    )


def answers(endpoint: str) -> bool:
    with bare(zmq.REQ, connect=endpoint) as req:
        return bool(ask(req, {"args": {"n": 5}})["return_args"] == {"n": 5})


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "tcp://127.0.0.1:0", "localhost:0", "*:0", "0.0.0.0:0"]
)
def test_port_0_takes_a_free_port_and_shows_it_in_the_same_shape(address: str) -> None:
    with serving({"replyer": address}) as served:
        shown = served.addresses["connections"]["in"]["it"]["replyer"]
        host, _, port = shown.rpartition(":")

        assert host == address.rpartition(":")[0]
        assert 0 < int(port) < 65_536
        assert answers(f"tcp://127.0.0.1:{port}")


def test_a_socket_on_loopback_is_not_reached_by_another_address() -> None:
    with serving("127.0.0.1:0") as served:
        port = int(address_of(served, "it").rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=2).close()


def test_a_host_name_can_be_connected_to() -> None:
    with serving("localhost:0") as served, asking(address_of(served, "it")) as ours:
        assert ours.ask(5) == {"n": 5}


@pytest.mark.parametrize(
    ("kind", "address", "is_apart"),
    [
        (zmq.XPUB, "127.0.0.1:0", True),
        (zmq.SUB, "127.0.0.1:0", True),
        (zmq.ROUTER, "127.0.0.1:0", False),
        (zmq.XPUB, "inproc://it", False),
        (zmq.SUB, "inproc://it", False),
    ],
)
def test_what_is_published_has_another_context_than_calls_and_what_is_inproc(
    kind: int, address: str, is_apart: bool
) -> None:
    creation = {"high_water_mark": 10, "max_message_bytes": 1000, "topic": None, "is_x_pub": False}
    transport, closed = Transport(), []
    opened, _ = transport.bound(kind, parse(address, where="it"), creation, where="it")
    contexts = {transport.context, opened.context}
    assert len(contexts) == 1 + is_apart
    transport.unbind(opened)
    transport.shut(lambda: closed.append(True))
    assert closed
    assert all(context.closed for context in contexts)


def test_a_taken_port_is_refused_and_nothing_stays_open() -> None:
    with serving("127.0.0.1:0") as served:
        with (
            pytest.raises(BindError, match="of this process has it") as caught,
            serving(address_of(served, "it"), "second"),
        ):
            pass
        assert "\n" not in str(caught.value)
        assert answers(endpoint_of(served, "it"))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(BindError, match="a binder needs an address of this machine"):
        serving("192.0.2.1:0").__enter__()


def test_a_second_bind_on_a_live_ipc_path_is_refused(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with serving(address):
        with pytest.raises(BindError, match="in use by the service"):
            serving(address, "second").__enter__()
        assert answers(address)


def test_an_ipc_path_whose_owner_does_not_answer_is_refused_all_the_same(tmp_path: Path) -> None:
    path = f"{tmp_path}/it"
    with socket.socket(socket.AF_UNIX) as frozen, socket.socket(socket.AF_UNIX) as waiting:
        frozen.bind(path)
        frozen.listen(0)
        waiting.connect(path)  # the queue of connections is full now
        with pytest.raises(BindError, match="in use by another socket"):
            serving(f"ipc://{path}").__enter__()


def test_an_ipc_file_that_nobody_listens_on_is_used_again(tmp_path: Path) -> None:
    path = f"{tmp_path}/it"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with serving(f"ipc://{path}"):
        assert answers(f"ipc://{path}")


def test_an_ipc_path_that_is_a_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_text("dear")
    with pytest.raises(BindError, match="is no socket"):
        serving(f"ipc://{path}").__enter__()
    assert path.read_text() == "dear"


def test_a_second_bind_on_an_inproc_name_is_refused() -> None:
    with (
        serving("inproc://it"),
        pytest.raises(BindError, match="of this process has it"),
    ):
        serving("inproc://it", "second").__enter__()


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_one_address_can_be_served_again_and_again(kind: str, tmp_path: Path) -> None:
    with serving("127.0.0.1:0") as served:
        address = address_of(served, "it") if kind == "tcp" else f"ipc://{tmp_path}/it"
    endpoint = f"tcp://{address}" if kind == "tcp" else address
    for number in range(effort(200 if kind == "tcp" else 50, brief=20)):
        with serving(address):
            if number % 20 == 0:
                assert answers(endpoint)


def test_a_port_is_free_as_soon_as_its_socket_is_closed() -> None:
    """A close that is not waited for fails some of these."""
    transport = Transport()
    creation = {"high_water_mark": 1, "max_message_bytes": 1000}
    endpoint = parse("127.0.0.1:0", where="here")
    try:
        for _ in range(1_000):
            opened, shown = transport.bound(zmq.ROUTER, endpoint, creation, where="here")
            endpoint = parse(shown, where="here")
            transport.unbind(opened)
    finally:
        transport.shut(lambda: None)


def test_a_close_is_waited_for_though_a_monitor_has_the_name_that_pyzmq_would_give() -> None:
    """It may be that of the socket that had the same descriptor a moment ago."""
    transport = Transport()
    creation = {"high_water_mark": 1, "max_message_bytes": 1000}
    endpoint = parse("127.0.0.1:0", where="here")
    try:
        for _ in range(500):
            opened, shown = transport.bound(zmq.ROUTER, endpoint, creation, where="here")
            endpoint = parse(shown, where="here")
            name = f"inproc://monitor.s-{opened.FD}"
            with transport.context.socket(zmq.PAIR) as other:
                other.bind(name)
                transport.unbind(opened)
                other.unbind(name)
    finally:
        transport.shut(lambda: None)


def test_stops_with_requests_that_nobody_takes_are_bounded(tmp_path: Path) -> None:
    """What was not delivered to a peer that is not there holds up no stop."""
    started = monotonic()
    count = 1_000 if "SF_ACTORS_SOAK" in os.environ else 100
    stops: list[float] = []
    for _ in range(count):
        with asking(f"ipc://{tmp_path}/nobody", timeout_s=0.001) as ours:
            with pytest.raises(RequestTimeout):
                ours.ask(1)
            assert not ours.counters["in_flight"]
            stopped_at = monotonic()
        stops.append(monotonic() - stopped_at)
    sys.stdout.write(f"{count} stops: the longest took {max(stops) * 1000:.1f} ms\n")
    # the deadline of each is 3 s
    assert max(stops) < 3
    assert monotonic() - started < count * 0.5


def test_one_service_starts_again_where_it_was_with_clients_connected() -> None:
    with serving("127.0.0.1:0") as served:
        address = address_of(served, "it")
    with bare(zmq.REQ, connect=f"tcp://{address}") as req:
        for _ in range(20):
            with serving(address):
                assert ask(req, {"args": {"n": 5}})["return_args"] == {"n": 5}


def test_an_inproc_address_is_free_at_once_while_others_keep_the_context_open() -> None:
    with serving("127.0.0.1:0"):
        for _ in range(effort(200, brief=20)):
            with serving("inproc://it") as served:
                assert served.is_running


@pytest.mark.parametrize("stop_timeout_s", [0, 1.5])
def test_a_stop_with_peers_that_read_nothing_is_bounded(
    stop_timeout_s: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Undelivered replies linger until the deadline or for a second, not for ever."""
    from tests.support.bare_sockets import packed

    model = replyer(lambda args: {"b": bytes(200_000)}, None, {"b": bytes})
    address = f"ipc://{tmp_path}/it"
    with (
        running(
            service("s", {"it": model}),
            addresses=at({"it": address}),
            stop_timeout_s=stop_timeout_s,
        ) as served,
        bare(zmq.DEALER) as dealer,
    ):
        dealer.rcvhwm = 1
        dealer.connect(address)
        for _ in range(100):
            dealer.send_multipart([b"", packed({"args": {}})])
        until(lambda: counters(served, "it")["sent"] == 100, "the requests")
        started = monotonic()
        served.stop_service()
        assert max(1, stop_timeout_s) - 0.1 < monotonic() - started < 5
        assert served.failure is None
    assert "replies cut off" in capfd.readouterr().err


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many more descriptors and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest)]
    fillers = [os.open(os.devnull, os.O_RDONLY), *fillers]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in fillers:
            os.close(fd)


@pytest.mark.parametrize("others_run", [False, True])
@pytest.mark.parametrize("left", [0, 1, 2, 5])
def test_without_descriptors_the_start_is_refused_with_what_to_do(
    left: int, others_run: bool
) -> None:
    with ExitStack() as stack:
        if others_run:
            other = stack.enter_context(serving("127.0.0.1:0"))
        with descriptors_left(left), pytest.raises((BindError, OSError)) as caught:
            serving("127.0.0.1:0").__enter__()
        assert "raise the limit" in str(caught.value) or caught.value.errno == errno.EMFILE
        if others_run:
            assert answers(endpoint_of(other, "it"))
    with serving("127.0.0.1:0") as served:
        assert answers(endpoint_of(served, "it"))


def connect_for_ever(port: int, flood: ExitStack) -> None:
    while True:
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        flood.callback(client.close)


class Log:
    """The lines of a service, as its log file has them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, text: str) -> bool:
        return text in self.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("occasion", ["a request", "the numbers"])
def test_a_flood_of_connections_that_takes_every_descriptor_is_logged_and_survived(
    occasion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "LOOK_PAUSE_S", 0.01)
    monkeypatch.setattr(descriptors, "WARNING_INTERVAL_S", 1_000.0)
    monkeypatch.setattr(descriptors, "DESCRIPTORS", descriptors.Descriptors())
    log = Log(tmp_path / "svc.log")
    with ExitStack() as stack:
        served = stack.enter_context(serving("127.0.0.1:0", log_path=log.path))
        flood = stack.enter_context(ExitStack())
        req = stack.enter_context(bare(zmq.REQ, connect=endpoint_of(served, "it")))
        port = int(address_of(served, "it").rpartition(":")[2])

        def call() -> None:
            assert ask(req, {"args": {"n": 5}})["return_args"] == {"n": 5}

        call()
        opened = log.path.open(encoding="utf-8")  # there may be no descriptor for it later
        stack.callback(opened.close)
        with descriptors_left(40):
            with pytest.raises(OSError, match="Too many open files"):
                connect_for_ever(port, flood)
            lines = ""
            deadline = monotonic() + PATIENCE_S
            while "no descriptor is left" not in lines:
                assert monotonic() < deadline
                call() if occasion == "a request" else served.stats()
                lines += opened.read()
            call()
        flood.close()
        until(lambda: served.stats() and log.has("descriptors are left again"), "the recovery")
        assert answers(endpoint_of(served, "it"))
        text = log.path.read_text(encoding="utf-8")
        assert text.count("no descriptor is left") == 1


def test_an_idle_service_with_a_subscriber_logs_by_itself_that_no_descriptor_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(descriptors, "LOOK_PAUSE_S", 0.01)
    monkeypatch.setattr(descriptors, "DESCRIPTORS", descriptors.Descriptors())
    log = Log(tmp_path / "svc.log")
    models = {"it": subscriber(lambda args: None, {"n": int})}
    given = at({"it": f"ipc://{tmp_path}/nobody"})
    with running(service("idle", models), addresses=given, log_path=log.path):
        with log.path.open(encoding="utf-8") as opened, ExitStack() as taken:
            taken.enter_context(descriptors_left(0))

            def is_warned_of() -> bool:
                # who had one a moment ago, to connect or to ask, does not get it again
                with suppress(OSError):
                    taken.callback(os.close, os.open(os.devnull, os.O_RDONLY))
                return "no descriptor is left" in opened.read()

            until(is_warned_of, "the warning")
        until(lambda: log.has("descriptors are left again"), "the recovery")
