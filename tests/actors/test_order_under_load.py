"""Under load from all sides: one handler at a time, each connection in its order."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import running
from tests.support.bare_sockets import bare, packed
from tests.support.guarded_sockets import GuardedSocket, guarded
from tests.support.models import (
    Sender,
    at,
    counters,
    external,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CONNECTIONS = 8
TOTAL = 1_000
EACH = TOTAL // CONNECTIONS
FIELDS = {"source": int, "n": int}


class Witness:
    """Notes who called in which order, and whether two handlers ever ran at once."""

    def __init__(self, *, slow_every: int) -> None:
        self.came: dict[int, list[int]] = {source: [] for source in range(CONNECTIONS)}
        self.threads: set[str] = set()
        self.overlaps = 0
        self.count = 0
        self.all_came = threading.Event()
        self._inside = threading.Lock()
        self._slow_every = slow_every

    def handle(self, args: dict[str, Any]) -> dict[str, Any]:
        if not self._inside.acquire(blocking=False):
            self.overlaps += 1
            return {}
        self.threads.add(threading.current_thread().name)
        self.count += 1
        if self._slow_every and self.count % self._slow_every == 0:
            threading.Event().wait(0.002)  # lets go of the interpreter, as real work does
        self.came[args["source"]].append(args["n"])
        if self.count == EACH * CONNECTIONS:
            self.all_came.set()
        self._inside.release()
        return {}


@pytest.mark.parametrize("slow_every", [0, 3, 1])
def test_handlers_run_one_at_a_time_and_each_connection_keeps_its_order(
    slow_every: int, tmp_path: Path
) -> None:
    witness = Witness(slow_every=slow_every)
    names = [f"c{source}" for source in range(CONNECTIONS)]
    models = {
        name: replyer(witness.handle, FIELDS)
        if source % 2
        else subscriber(witness.handle, FIELDS, is_binder=True)
        for source, name in enumerate(names)
    }
    addresses = at({name: f"ipc://{tmp_path}/{name}" for name in names})
    started = threading.Barrier(CONNECTIONS)

    def feed(source: int) -> None:
        kind = zmq.DEALER if source % 2 else zmq.XPUB
        with bare(kind, connect=f"ipc://{tmp_path}/c{source}") as socket:
            if kind == zmq.XPUB:
                socket.recv()  # the subscription
            first = 0
            if source == 0:
                # nobody else calls yet: it runs at once in the actor's thread
                socket.send(packed({"args": {"source": source, "n": 0}}))
                until(lambda: witness.count == 1, "the first message")
                first = 1
            started.wait(PATIENCE_S)
            for n in range(first, EACH):
                frame = packed({"args": {"source": source, "n": n}})
                socket.send_multipart([b"", frame] if source % 2 else [frame])
            if kind == zmq.DEALER:
                for _ in range(EACH):
                    socket.recv_multipart()
            assert witness.all_came.wait(3 * PATIENCE_S)

    with running(service("loaded", models), addresses=addresses) as served:
        threads = [threading.Thread(target=feed, args=(n,)) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        assert witness.all_came.wait(3 * PATIENCE_S), f"only {witness.count} came"
        for thread in threads:
            thread.join(PATIENCE_S)

        assert witness.overlaps == 0
        assert witness.came == {source: list(range(EACH)) for source in range(CONNECTIONS)}
        if slow_every:
            assert "loaded/router" in witness.threads, "some calls queued"
            assert len(witness.threads) > 1, "some ran at once in an actor's thread"
        until(lambda: served.stats()["router"]["handled"] == TOTAL, "the last count")
        for name in names:
            numbers = counters(served, name)
            assert (numbers["handled"], numbers["queued"], numbers["failed"]) == (EACH, 0, 0)
        assert served.stats()["router"]["queued"] == 0


def test_no_socket_is_ever_touched_by_two_threads_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of connection and state is used by several threads while the service runs."""
    threads, each = 6, 60
    sender = Sender()
    n = {"n": int}

    def handler(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
        to_send("news", args)
        return args

    def path(name: str) -> str:
        return f"ipc://{tmp_path}/{name}"

    served = service(
        "served",
        {"it": replyer(handler, n, n), "news": subscriber(lambda args: None, n)},
        {"it": requester(n, n, timeout_s=PATIENCE_S), "news": publisher(n), "ext": external(dict)},
        state_models={
            "out": {
                "book": {"state_type": "delta_update_out", "required_arguments": n},
                "whole": {"state_type": "full_update_out", "required_arguments": n},
            },
            "in": {
                "book": {"state_type": "delta_update_in", "required_arguments": n},
                "whole": {"state_type": "full_update_in", "required_arguments": n},
            },
        },
        init_function=sender.__call__,
    )
    book = {"publisher": path("book"), "replyer": path("book-r")}
    follow = {"subscriber": path("book"), "requester": path("book-r")}
    addresses = at(
        {"it": path("it"), "news": path("news")}, {"it": path("it"), "news": path("news")}
    )
    addresses["states"] = {
        "out": {"book": book, "whole": path("whole")},
        "in": {"book": follow, "whole": path("whole")},
    }
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for number in range(each):
                assert sender.to_send("connection", "it", {"n": number}) == {"n": number}
                sender.to_send("connection", "news", {"n": number})
                sender.to_send("state", "book", {"n": number})
                sender.to_send("state", "whole", {"n": number})
                sender.to_send("connection", "ext", {})
        except Exception as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    with guarded(monkeypatch) as violations:
        with running(served, addresses=addresses):
            users = [threading.Thread(target=use) for _ in range(threads)]
            for user in users:
                user.start()
            for user in users:
                user.join(3 * PATIENCE_S)
        assert violations == []
        assert failures == []
        assert GuardedSocket.calls > threads * each * 4


def test_the_guard_sees_two_threads_in_one_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded(monkeypatch) as violations, ExitStack() as stack:
        from sf_actors.sockets.contexts import ContextLease

        lease = ContextLease(private=True)
        socket = lease.context.socket(zmq.PULL)
        socket.bind("inproc://guard")
        socket.rcvtimeo = 100
        stack.callback(lease.give_back)
        stack.callback(socket.close, linger=0)

        def receive() -> None:
            with socket.alone("recv"):
                inside.set()
                may_go.wait(PATIENCE_S)

        inside, may_go = threading.Event(), threading.Event()
        thread = threading.Thread(target=receive)
        thread.start()
        assert inside.wait(PATIENCE_S)
        socket.setsockopt(zmq.RCVHWM, 1)
        may_go.set()
        thread.join(PATIENCE_S)
        assert len(violations) == 1


def test_an_idle_service_burns_no_processor_time(tmp_path: Path) -> None:
    import time

    models = {
        "it": replyer(lambda args: None),
        "news": subscriber(lambda args: None),
    }
    out = {"ask": requester(), "publish": publisher()}
    addresses = at(
        {"it": f"ipc://{tmp_path}/it", "news": f"ipc://{tmp_path}/n"},
        {"ask": f"ipc://{tmp_path}/nobody", "publish": f"ipc://{tmp_path}/p"},
    )
    with running(service("idle", models, out), addresses=addresses) as served:
        before = time.process_time()
        assert not threading.Event().wait(1.0)
        burnt_s = time.process_time() - before

        assert served.is_running
        assert burnt_s < 0.05, f"{burnt_s} s of a second"
