"""Who does not speak ZMTP 3 is not heard: a web page's POST, ZMTP 1.0 and ZMTP 2.0."""

from __future__ import annotations

import hashlib
import queue
import socket as sockets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import module_of, running
from tests.security import zmtp
from tests.security.web_page import CAPTURED, aligned_post
from tests.support.bare_sockets import PATIENCE_MS, bare, packed, unpacked
from tests.support.models import ANY_PORT, Sender, into, publisher, replyer, subscriber
from tests.support.state_pair import model
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service
    from tests.security.keyrings import Keyring, Knocker
    from tests.support.bare_sockets import Socket

N = {"n": int}
ARGS = {"args": {"n": 1}}

#: each bound socket: where it stands in addresses and stats, its name, its kind
BINDERS = {
    "replyer": ("connections", "in", "echo", "replyer", "ROUTER"),
    "snapshot": ("states", "out", "delta", "replyer", "ROUTER"),
    "publisher": ("connections", "out", "news", "publisher", "XPUB"),
    "delta publisher": ("states", "out", "delta", "publisher", "XPUB"),
    "full publisher": ("states", "out", "full", "publisher", "XPUB"),
    "subscriber": ("connections", "in", "told", "subscriber", "SUB"),
    "full subscriber": ("states", "in", "heard", "subscriber", "SUB"),
}

#: what peers of each kind of socket are, and what they say: a request, a subscription, a message
PEERS = {
    "ROUTER": ("DEALER", [b"", packed(ARGS)]),
    "XPUB": ("SUB", [b"\x01"]),
    "SUB": ("PUB", [packed(ARGS)]),
}
SPEECHES = (
    "a browser's POST as captured",
    "a browser's POST whose frames align",
    "ZMTP 1.0",
    "ZMTP 1.0 with a long id",
    "ZMTP 1.0 with a version",
    "ZMTP 2.0",
)

#: What a socket of ours may have said before it knows who is there.
GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x01"


class Bound:
    """A service with every kind of socket that is bound, and what its handlers were called with."""

    def __init__(self, keys: Keyring | None = None) -> None:
        self.handled: queue.Queue[Any] = queue.Queue()
        self.sender = Sender()
        handler: dict[str, Any] = {"on_update": into(self.handled)}
        self.module = module_of(
            connection_models={
                "in": {
                    "echo": replyer(self._echo, N, N),
                    "told": subscriber(into(self.handled), N, is_binder=True),
                },
                "out": {"news": publisher(N)},
            },
            state_models={
                "in": {"heard": model("full_update_in", N, is_binder=True, **handler)},
                "out": {"delta": model("delta_update_out", N), "full": model("full_update_out", N)},
            },
            init_function=self._init,
        )
        addresses: dict[str, Any] = {}
        for part, side, name, role, _kind in BINDERS.values():
            entry = addresses.setdefault(part, {}).setdefault(side, {}).setdefault(name, {})
            entry[role] = ANY_PORT
        self.arguments: dict[str, Any] = {"addresses": addresses, "console_loglevel": None}
        if keys is not None:
            self.arguments["keys"] = keys.folder
        self.service: Service

    def _init(self, to_send: Any) -> None:
        self.sender(to_send)
        for name in ("delta", "full"):
            to_send("state", name, {"n": 1})

    def _echo(self, args: Any) -> Any:
        self.handled.put(args)
        return args

    def endpoint(self, binder: str) -> str:
        part, side, name, role, _kind = BINDERS[binder]
        found = self.service.addresses[part][side][name]
        return f"tcp://{found if isinstance(found, str) else found[role]}"

    def port(self, binder: str) -> int:
        return int(self.endpoint(binder).rpartition(":")[2])

    def received(self, binder: str) -> int:
        part, side, name, _role, _kind = BINDERS[binder]
        counters = self.service.stats()[part][side][name]
        return int(counters.get("received", 0) + sum(counters.get("dropped", {}).values()))


@pytest.fixture
def bound() -> Iterator[Bound]:
    made = Bound()
    with running(made.module, **made.arguments) as made.service:
        yield made


def speech(kind: str, bound: Bound, binder: str) -> bytes:
    """Return what a stranger says to a socket."""
    peer, parts = PEERS[BINDERS[binder][-1]]
    first = b"".join(zmtp.frame_1(part, more=at + 1 < len(parts)) for at, part in enumerate(parts))
    return {
        "a browser's POST as captured": CAPTURED,
        "a browser's POST whose frames align": aligned_post(bound.port(binder), first),
        "ZMTP 1.0": zmtp.frame_1(b"") + first,
        "ZMTP 1.0 with a long id": zmtp.frame_1(b"i" * 255) + first,
        "ZMTP 1.0 with a version": zmtp.SIGNATURE
        + bytes([0, zmtp.TYPES.index(peer)])
        + zmtp.frame_1(b"")
        + first,
        "ZMTP 2.0": zmtp.greeting_2(peer, b"") + zmtp.message(parts),
    }[kind]


def require_unheard(bound: Bound, binder: str, speech: bytes) -> None:
    """Say something to a socket of ours, which closes the connection and says no more than hello.

    Meanwhile it is published to, so that whoever is taken for a subscriber gets something.
    """
    said = b""
    with closing(sockets.create_connection(("127.0.0.1", bound.port(binder)))) as stranger:
        stranger.settimeout(PATIENCE_S / 4)
        try:
            stranger.sendall(speech)
            while GREETING.startswith(said):
                bound.sender.connection("news", {"n": 1})
                some = stranger.recv(65_536)
                said += some
                if not some:
                    break
        except ConnectionError:
            pass
        except TimeoutError:
            raise AssertionError("the connection was left open") from None
    assert GREETING.startswith(said), f"the stranger got {said[:200]!r}"
    assert bound.handled.empty()
    assert bound.received(binder) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPEECHES)
@pytest.mark.parametrize("binder", BINDERS)
def test_who_does_not_speak_zmtp_3_is_neither_heard_nor_answered(
    bound: Bound, binder: str, kind: str
) -> None:
    require_unheard(bound, binder, speech(kind, bound, binder))


def test_the_capture_is_what_the_browser_sent() -> None:
    assert len(CAPTURED) == 3_582
    assert hashlib.sha256(CAPTURED).hexdigest() == (
        "09a16c3a63ced1dd5450cc728facd8e028ede7dc96ad46787e5f5f878956e9c6"
    )


def hears(binder: str, bound: Bound, socket: Socket) -> Any:
    """Publish until a subscriber hears of it; return what it heard."""
    for n in range(PATIENCE_MS // 10):
        bound.sender.connection("news", {"n": n})
        if socket.poll(10):
            return unpacked(socket.recv())["args"]
    raise AssertionError(f"nothing came from the {binder}")


@pytest.mark.parametrize("binder", BINDERS)
def test_plain_peers_go_on_to_work_after_strangers_were_sent_away(
    bound: Bound, binder: str
) -> None:
    for kind in SPEECHES:
        with closing(sockets.create_connection(("127.0.0.1", bound.port(binder)))) as stranger:
            stranger.sendall(speech(kind, bound, binder))
    endpoint, kind_of_ours = bound.endpoint(binder), BINDERS[binder][-1]
    if kind_of_ours == "XPUB":
        with bare(zmq.SUB, connect=endpoint) as socket:
            assert "n" in hears(binder, bound, socket) or binder == "delta publisher"
        return
    if kind_of_ours == "SUB":
        with bare(zmq.PUB, connect=endpoint) as socket:
            for n in range(PATIENCE_MS // 10):
                socket.send(packed({"args": {"n": n}}))
                if not bound.handled.empty():
                    break
                socket.poll(10)
        assert bound.handled.get(timeout=PATIENCE_S)["n"] >= 0
        return
    request = packed({"args": {"n": 1} if binder == "replyer" else {}})
    with bare(zmq.REQ, connect=endpoint) as asking, bare(zmq.DEALER, connect=endpoint) as dealing:
        asking.send(request)
        dealing.send_multipart([b"", request])
        for reply in (asking.recv(), dealing.recv_multipart()[-1]):
            assert "return_args" in unpacked(reply)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPEECHES)
def test_with_keys_strangers_are_not_heard_and_a_friend_is(
    server: Keyring, friend: Keyring, knocker: Knocker, kind: str
) -> None:
    bound = Bound(server)
    with running(bound.module, **bound.arguments) as bound.service:
        require_unheard(bound, "replyer", speech(kind, bound, "replyer"))

        socket = knocker.socket(zmq.DEALER, own=friend, server=server)
        with closing(socket):
            socket.connect(bound.endpoint("replyer"))
            socket.send_multipart([b"", packed(ARGS)])
            assert socket.poll(PATIENCE_MS)
            assert unpacked(socket.recv_multipart()[-1])["return_args"] == {"n": 1}


def test_a_socket_without_a_domain_reads_the_post_as_a_request() -> None:
    """What the strangers above say is an attack: libzmq alone takes it."""
    with bare(zmq.ROUTER, bind="tcp://127.0.0.1:*") as router:
        port = int(router.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        request = zmtp.frame_1(b"", more=True) + zmtp.frame_1(packed(ARGS))
        with closing(sockets.create_connection(("127.0.0.1", port))) as stranger:
            stranger.sendall(aligned_post(port, request))
            while True:
                frames = router.recv_multipart()
                if frames[1:] == [b"", packed(ARGS)]:
                    break
