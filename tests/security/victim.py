"""A service in a process of its own that malicious peers speak to, and what its process holds."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, Thread
from time import clock_gettime, monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Self

import zmq

from tests.support.bare_sockets import Socket, ask, bare, packed, unpacked
from tests.support.processes import Process

if TYPE_CHECKING:
    from types import TracebackType

SCRIPT = '''
import json
import signal
import sys
import threading
import time
from decimal import Decimal
from uuid import UUID

from sf_actors import (Service)
from sf_actors.testing import (module_of)

FIELDS = {
    "required_arguments": {"n": int},
    "optional_arguments": {
        "prices": {Decimal: int}, "ids": {UUID: int}, "anything": dict, "things": list,
    },
}
RETURNED = {
    "required_return_arguments": {"n": int},
    "optional_return_arguments": FIELDS["optional_arguments"],
}
N = {"required_arguments": {"n": int}}
QUICK = {"heartbeat_s": 0.2, "stale_after_s": 20.0}


released = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: released.set())


def echo(args):
    """Answer with what comes; a -1 once the signal SIGUSR1 has come."""
    if args["n"] == -1:
        released.wait(60)
    return {"n": args["n"]}


def ignore(args):
    pass


def ask(args, to_send):
    """Call the malicious replyer, in a thread so that nobody waits for it."""
    def call():
        try:
            to_send("connection", "asked", {"n": 1})
        except Exception as error:
            print("the call failed:", type(error).__name__, flush=True)
    threading.Thread(target=call, daemon=True).start()


def fill(to_send):
    to_send("state", "big", {"text": "x" * 5_000_000})
    to_send("state", "many", {"texts": {str(n): "x" * 100_000 for n in range(200)}})


def numbers():
    return {"text": json.dumps({"cpu_s": time.process_time(), "stats": service.stats()})}


def replyer(handler, fields=N, returned={"n": int}):
    return {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new_request": handler},
        "required_return_arguments": returned,
        **fields,
    }


module = module_of(
    connection_models={
        "in": {
            "echo": replyer(echo),
            "open": replyer(echo, FIELDS),
            "ask": replyer(ask, returned={}),
            "numbers": replyer(numbers, {}, {"text": str}),
            "told": {
                "connection_type": "subscriber",
                "required_creation_arguments": {"on_new_message": ignore},
                "optional_creation_arguments": {"is_binder": True},
                **FIELDS,
            },
        },
        "out": {"asked": {"connection_type": "requester", **N, **RETURNED}},
    },
    state_models={
        "in": {
            "book": {
                "state_type": "delta_update_in", "optional_creation_arguments": QUICK, **FIELDS,
            },
        },
        "out": {
            "big": {"state_type": "delta_update_out", "required_arguments": {"text": str}},
            "many": {
                "state_type": "delta_update_out", "required_arguments": {"texts": {str: str}},
            },
        },
    },
    init_function=fill,
)
service = Service(module, addresses=json.loads(sys.argv[1]))
service.run_service_blocking()
'''
ANY_PORT = "127.0.0.1:0"

#: How long what has to happen may take, in seconds; far more than it does.
PATIENCE_S = 10.0

EPOCH = 7


class Villain:
    """Sockets that the victim connects to: a replyer, and a publisher with its snapshots."""

    def __init__(self) -> None:
        self._context: zmq.Context[Socket] = zmq.Context()
        self.replyer, self.publisher, self.snapshots = (
            self._context.socket(kind) for kind in (zmq.REP, zmq.PUB, zmq.ROUTER)
        )
        #: when snapshots were asked for
        self.asked_at: list[float] = []
        self.addresses = {}
        for name in ("replyer", "publisher", "snapshots"):
            socket: Socket = getattr(self, name)
            socket.linger = 0
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            self.addresses[name] = f"127.0.0.1:{port}"

    def close(self) -> None:
        self._context.destroy(linger=0)

    def heartbeat(self, head: int) -> None:
        args = {"current_num": -2, "is_snapshot": False, "state": {}}
        self.publisher.send(packed({"args": args, "epoch": EPOCH, "head": head}))

    def delta(self, number: int, state: bytes) -> None:
        """Publish a packed delta."""
        args = _map(current_num=packed(number), is_snapshot=packed(False), state=state)
        self.publisher.send(_map(args=args, epoch=packed(EPOCH)))

    def answer(self, timeout_s: float, **content: bytes) -> bool:
        """Answer a request for a snapshot, should one come; whether one did."""
        if not self.snapshots.poll(int(timeout_s * 1000)):
            return False
        address, empty, request = self.snapshots.recv_multipart()
        self.asked_at.append(monotonic())
        token = packed(unpacked(request)["workflow_id"])
        reply = _map(workflow_id=token, epoch=packed(EPOCH), **content)
        self.snapshots.send_multipart([address, empty, reply])
        return True

    def answer_with(self, timeout_s: float, number: int, state: bytes) -> bool:
        """Answer with a value."""
        return self.answer(timeout_s, return_args=_map(state=state, current_num=packed(number)))


def _map(**items: bytes) -> bytes:
    """Return a map of values that are packed already."""
    return bytes([0x80 | len(items)]) + b"".join(
        packed(name) + value for name, value in items.items()
    )


def message(**parts: bytes) -> bytes:
    """Return a request, reply or published message whose parts are packed already."""
    return _map(**parts)


#: glibc gives large blocks back at once. By itself it would begin to keep them after the first, and
#: how much that is depends on the small blocks between them.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "1048576"}


class Victim:
    """The running service; ended by `with`."""

    def __init__(self, folder: Path) -> None:
        script = folder / "victim_service.py"
        script.write_text(SCRIPT)
        self.villain = Villain()
        towards = self.villain.addresses
        book = {"subscriber": towards["publisher"], "requester": towards["snapshots"]}
        names = ("echo", "open", "ask", "numbers", "told")
        addresses = {
            "connections": {
                "in": dict.fromkeys(names, ANY_PORT),
                "out": {"asked": towards["replyer"]},
            },
            "states": {
                "in": {"book": book},
                "out": {
                    name: {"publisher": ANY_PORT, "replyer": ANY_PORT} for name in ("big", "many")
                },
            },
        }
        self.process = Process(str(script), json.dumps(addresses), module=None, env=ALLOCATOR)
        try:
            self._addresses = self.process.wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.process.__exit__()
        self.villain.close()

    def endpoint(self, name: str) -> str:
        """Return where a socket is bound: `echo.replyer`, `told.subscriber`, …"""
        return f"tcp://{self._addresses[name]}"

    def numbers(self) -> Any:
        """Return the `stats` of the service, and how long its process has computed, `cpu_s`."""
        with bare(zmq.REQ, connect=self.endpoint("numbers.replyer")) as asking:
            return json.loads(ask(asking, {"args": {}})["return_args"]["text"])

    def counters(self, part: str, side: str, name: str) -> Any:
        return self.numbers()["stats"][part][side][name]

    def forget_highest(self) -> None:
        """Let the highest of its memory be the present one."""
        Path(f"/proc/{self.process.popen.pid}/clear_refs").write_text("5", encoding="ascii")

    def highest_mb(self) -> float:
        """Return the most memory that it had at once."""
        status = Path(f"/proc/{self.process.popen.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def follow(self) -> None:
        """Let its replica follow the villain, which has the value `{'n': 1}`, numbered 0."""
        deadline = monotonic() + PATIENCE_S
        while self.counters("states", "in", "book")["status"]["phase"] != "LIVE":
            assert monotonic() < deadline, self.counters("states", "in", "book")
            self.villain.heartbeat(0)
            self.villain.answer_with(0.05, 0, packed({"n": 1}))

    def be_told(self, publisher: Socket) -> None:
        """Wait until it hears a publisher that connects to it."""
        deadline = monotonic() + PATIENCE_S
        before = self._told()
        while self._told() == before:
            assert monotonic() < deadline, "nothing is heard"
            publisher.send(packed({"args": {"n": 1}}))

    def _told(self) -> int:
        return int(self.counters("connections", "in", "told")["received"])

    def leave_alone(self) -> None:
        """Let it have nobody to connect to: others connect to it."""
        self.villain.close()


class Bystander:
    """Calls another replyer of the process without a pause, in a thread; measures each call.

    What is measured is how long the process computed during the call, or the call itself where
    that is shorter: the time for which others had the processor is nobody's fault.
    """

    def __init__(self, victim: Victim) -> None:
        self.waits_s: list[float] = []
        self._must_end = Event()
        self._endpoint = victim.endpoint("echo.replyer")
        #: of the time that the process computes, as Linux numbers it
        self._clock = (~victim.process.popen.pid << 3) | 2
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._must_end.set()
        self._thread.join()

    def _run(self) -> None:
        with bare(zmq.REQ, connect=self._endpoint) as asking:
            asking.rcvtimeo = 60_000
            while not self._must_end.is_set():
                began, computed_s = perf_counter(), clock_gettime(self._clock)
                ask(asking, {"args": {"n": 1}})
                waited_s = perf_counter() - began
                self.waits_s.append(min(waited_s, clock_gettime(self._clock) - computed_s))

    def slowest_of(self, calls: int) -> float:
        """Return the longest of so many calls from now."""
        return self.slowest_since(len(self.waits_s), calls)

    def slowest_since(self, first: int, calls: int = 1) -> float:
        """Return the longest call since one, once there were enough."""
        deadline, pause = monotonic() + 60, Event()
        while len(self.waits_s) < first + calls:
            assert monotonic() < deadline, "the calls are not answered"
            pause.wait(0.005)
        return max(self.waits_s[first:])
