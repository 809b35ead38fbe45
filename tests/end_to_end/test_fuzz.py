"""Anything at all, sent to every socket of a running service that something can come in by."""

from __future__ import annotations

import gc
import random
import socket as sockets
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from sf_actors import ServiceStopped, SfActorsError
from sf_actors.testing import module_of, running
from sf_actors.wire import envelope, snapshots
from tests.security.keyrings import Keyring, Knocker
from tests.support.bare_sockets import ask, bare, packed, unpacked
from tests.support.effort import effort
from tests.support.hostile_messages import BOOK, FRAMES, QUICK, N
from tests.support.services import Background
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors import Service

pytestmark = pytest.mark.slow

#: Frames that hypothesis makes, and how many messages are made of them.
FRAMES_MADE = effort(2_000, brief=600)
MESSAGES = effort(20_000, brief=4_000)
WARM_UP = MESSAGES // 4
SEED = random.SystemRandom().randrange(2**32)


class Hostile:
    """The other ends of a service with every kind of socket that something can come in by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.to_send: Callable[..., Any]
        self.got: list[int] = []
        self.sent = 0
        self._requests: dict[str, list[bytes]] = {}
        self._stack = ExitStack()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._asking: Background | None = None
        self._is_over = threading.Event()

    def at(self, name: str) -> str:
        return f"ipc://{self._folder}/{name}"

    def module(self) -> Any:
        handled = {"required_creation_arguments": {"on_new": self._on_new}, "required_arguments": N}
        binding = {"optional_creation_arguments": {"is_binder": True}}
        asked = {"optional_creation_arguments": {"timeout_s": 1.0}, "required_arguments": N}
        state = {"optional_creation_arguments": QUICK, "required_arguments": BOOK}

        def init_function(to_send: Callable[..., Any]) -> None:
            self.to_send = to_send

        return module_of(
            connection_models={
                "in": {
                    "replyer": {
                        "connection_type": "replyer",
                        "required_creation_arguments": {"on_new": lambda args: args},
                        "optional_creation_arguments": {"deduplicate": True},
                        "required_arguments": N,
                        "required_return_arguments": N,
                    },
                    "subscriber": {"connection_type": "subscriber", **handled},
                    "binder": {"connection_type": "subscriber", **handled, **binding},
                },
                "out": {
                    "requester": {
                        "connection_type": "requester",
                        "required_return_arguments": N,
                        **asked,
                    },
                    "publisher": {"connection_type": "publisher", "required_arguments": N},
                },
            },
            state_models={
                "in": {
                    "delta_in": {"state_type": "delta_update_in", **state},
                    "full_in": {"state_type": "full_update_in", **state},
                },
                "out": {
                    "delta_out": {"state_type": "delta_update_out", **state},
                    "full_out": {"state_type": "full_update_out", **state},
                },
            },
            init_function=init_function,
        )

    def _on_new(self, args: dict[str, Any]) -> None:
        self.got.append(args["n"])

    def addresses(self) -> dict[str, Any]:
        at = self.at
        return {
            "connections": {
                "in": {"replyer": at("r"), "subscriber": at("s"), "binder": at("b")},
                "out": {"requester": at("q"), "publisher": at("p")},
            },
            "states": {
                "in": {
                    "delta_in": {"subscriber": at("di"), "requester": at("dq")},
                    "full_in": {"subscriber": at("fi")},
                },
                "out": {
                    "delta_out": {"publisher": at("do"), "replyer": at("dr")},
                    "full_out": {"publisher": at("fo")},
                },
            },
        }

    def open(self, service: Service) -> None:
        self.service = service
        for name, kind, path, binds in (
            ("replyer", zmq.DEALER, "r", False),
            ("subscriber", zmq.XPUB, "s", True),
            ("binder", zmq.XPUB, "b", False),
            ("requester", zmq.ROUTER, "q", True),
            ("publisher", zmq.XSUB, "p", False),
            ("delta_in", zmq.XPUB, "di", True),
            ("snapshots", zmq.ROUTER, "dq", True),
            ("full_in", zmq.XPUB, "fi", True),
            ("delta_out", zmq.XSUB, "do", False),
            ("requests", zmq.DEALER, "dr", False),
            ("full_out", zmq.XSUB, "fo", False),
        ):
            place = {"bind" if binds else "connect": self.at(path)}
            opened = self._stack.enter_context(bare(kind, **place))  # type: ignore[arg-type]
            if kind == zmq.XPUB:
                opened.setsockopt(zmq.XPUB_NODROP, 1)
                assert opened.recv() == b"\x01"
            self._sockets[name] = opened
        self._asking = Background(self._ask_for_ever)

    def _ask_for_ever(self) -> None:
        while not self._is_over.is_set():
            try:
                self.to_send("connection", "requester", {"n": 1})
            except ServiceStopped:
                return
            except SfActorsError:
                continue

    def __getitem__(self, name: str) -> zmq.Socket[bytes]:
        return self._sockets[name]

    NAMES = (
        "replyer",
        "subscriber",
        "binder",
        "requester",
        "publisher",
        "delta_in",
        "snapshots",
        "full_in",
        "delta_out",
        "requests",
        "full_out",
    )

    def send(self, name: str, frame: bytes, *, is_bare: bool) -> None:
        """Send a frame to one of the sockets; a bare one without the empty frame before it."""
        opened = self._sockets[name]
        while opened.poll(0):
            # nothing that comes back is to fill a queue
            frames = opened.recv_multipart()
            if opened.type == zmq.ROUTER:
                self._requests[name] = frames
        if opened.type == zmq.ROUTER:
            if name == "requester":
                # each call gets one answer, which is this
                assert name in self._requests or opened.poll(PATIENCE_S * 1000)
                request = self._requests.pop(name, None) or opened.recv_multipart()
                opened.send_multipart([*request[:-1], frame])
            elif name in self._requests:
                address = self._requests[name][0]
                opened.send_multipart([address, frame] if is_bare else [address, b"", frame])
        elif opened.type == zmq.DEALER and not is_bare:
            opened.send_multipart([b"", frame])
        else:
            opened.send(frame)
        self.sent += 1

    def answer_requests(self, reply: bytes) -> None:
        """Answer what waits for a snapshot."""
        opened = self._sockets["snapshots"]
        while opened.poll(0):
            address, empty, request = opened.recv_multipart()
            token = unpacked(request)["workflow_id"]
            opened.send_multipart(
                [address, empty, snapshots.encode_snapshot_reply(reply, 0, token, epoch=99)]
            )

    def close(self) -> None:
        self._is_over.set()
        if self._asking is not None:
            opened = self._sockets["requester"]
            while opened.poll(100):
                opened.send_multipart([*opened.recv_multipart()[:-1], b""])
            assert self._asking.join() is None
        self._stack.close()


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    hostile = Hostile(tmp_path)
    service = running(
        hostile.module(), addresses=hostile.addresses(), console_loglevel=None, stop_timeout_s=3
    )
    with service as served:
        hostile.open(served)
        try:
            yield hostile
        finally:
            hostile.close()


def resident_mb() -> float:
    gc.collect()
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def restarts(service: Service) -> int:
    numbers = service.stats()
    models = [
        counted
        for kind in ("connections", "states")
        for side in ("in", "out")
        for counted in numbers[kind][side].values()
    ]
    return int(numbers["router"]["restarts"] + sum(c.get("restarts", 0) for c in models))


def frames_made() -> list[bytes]:
    """Let hypothesis make frames; it keeps so much of them itself that it is not to go on."""
    made: list[bytes] = []

    @settings(
        max_examples=FRAMES_MADE // 20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @seed(SEED)
    @given(st.lists(FRAMES, min_size=20, max_size=20))
    def make(frames: list[bytes]) -> None:
        made.extend(frames)

    make()
    return made


def test_no_message_whatever_ends_an_actor_hangs_it_or_makes_it_grow(hostile: Hostile) -> None:
    frames = frames_made()
    rng = random.Random(SEED)
    before = 0.0
    for number in range(MESSAGES):
        if number == WARM_UP:
            before = resident_mb()
        name, frame = rng.choice(Hostile.NAMES), bytearray(rng.choice(frames))
        if frame and rng.random() < 0.5:
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        hostile.send(name, bytes(frame), is_bare=rng.random() < 0.3)
        if number % 100 == 0:
            assert restarts(hostile.service) == 0, f"seed {SEED}, message {number}"
            assert hostile.service.failure is None, f"seed {SEED}, message {number}"

    assert restarts(hostile.service) == 0, f"seed {SEED}"
    numbers = hostile.service.stats()
    for kind, name in READERS:
        assert numbers[kind]["in"][name]["dropped"], f"nothing arrived at {name}"
    assert numbers["states"]["out"]["delta_out"]["dropped"], "nothing arrived at delta_out"
    assert numbers["connections"]["out"]["requester"]["dropped"], "nothing arrived at requester"
    answers_as_ever(hostile)
    after = resident_mb()
    sys.stdout.write(f"{hostile.sent} messages, {before:.0f} MB before, {after:.0f} MB after\n")
    assert after - before < 20, f"seed {SEED}"


READERS = [
    ("connections", "replyer"),
    ("connections", "subscriber"),
    ("connections", "binder"),
    ("states", "delta_in"),
    ("states", "full_in"),
]


def answers_as_ever(hostile: Hostile) -> None:
    """Each socket still does what it is there for."""
    with bare(zmq.REQ, connect=hostile.at("r")) as req:
        assert ask(req, {"args": {"n": 5}})["return_args"] == {"n": 5}
    for name in ("subscriber", "binder"):
        hostile.got.clear()
        hostile[name].send(packed({"args": {"n": 4_711}}))
        until(lambda: 4_711 in hostile.got)
    hostile.to_send("state", "full_out", {"n": 8, "levels": {}})
    hostile.to_send("state", "delta_out", {"n": 9})
    with bare(zmq.REQ, connect=hostile.at("dr")) as req:
        assert ask(req, {"args": {}})["return_args"]["state"]["n"] == 9
    with bare(zmq.SUB, connect=hostile.at("fo")) as sub:
        assert unpacked(sub.recv())["args"]["n"] == 8
    states = hostile.service._run.state.run_context.states  # type: ignore[union-attr]
    whole = {"n": 7, "levels": {"a": 0.5}}

    def is_followed(name: str, publish: Callable[[], None]) -> bool:
        publish()
        return bool(states[name] == whole)

    published = envelope.encode_published(whole, "w", 99, 99)
    until(lambda: is_followed("full_in", lambda: hostile["full_in"].send(published)))
    beat = envelope.encode_heartbeat(99, 0)

    def help_delta() -> None:
        hostile["delta_in"].send(beat)
        hostile.answer_requests(envelope.encode(whole))

    until(lambda: is_followed("delta_in", help_delta))


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)


@settings(max_examples=MESSAGES // 100, deadline=None, database=None)
@given(garbage=st.binary(max_size=300), begins_well=st.booleans())
def knock_with(port: int, garbage: bytes, begins_well: bool) -> None:
    with sockets.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
        try:
            wire.sendall((GREETING if begins_well else b"") + garbage)
            wire.shutdown(sockets.SHUT_WR)
            while wire.recv(65_536):
                pass
        except TimeoutError:
            raise
        except OSError:
            return  # refused in the middle of it


def test_no_handshake_whatever_disturbs_the_authenticator(tmp_path: Path) -> None:
    server, friend = Keyring(tmp_path / "server"), Keyring(tmp_path / "friend")
    server.authorize(friend)
    model = {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new": lambda args: args},
    }
    module = module_of(connection_models={"in": {"it": model}})
    given_at = {"connections": {"in": {"it": "127.0.0.1:0"}}}
    with running(module, keys=server.folder, addresses=given_at, console_loglevel=None) as service:
        address = service.addresses["connections"]["in"]["it"]
        port = int(address.rpartition(":")[2])
        knock_with(port)
        knocker = Knocker()
        try:
            knocking = knocker.socket(zmq.DEALER, own=friend, server=server)
            assert knocker.gets_in(knocking, f"tcp://{address}")
        finally:
            knocker.close()
        assert restarts(service) == 0
