"""lifecycle: the cost of each of 1,000 services with one replyer, in one process.

A fresh process starts them one after the other, waiting until each is ready, measures memory and
threads, and stops them one after the other. The limit is a bare REP socket with a thread that waits
for requests. A server of RPyC runs in a thread of its own as well, and so does a daemon of Pyro5,
which has a pool of threads besides. service_framework runs each service in a process; only memory
that is not shared counts. Growth is the ratio of the cost of a service among 2,000 to that among
200. A quick run has 400 instead of 1,000 and 2,000, and is not judged by growth.
"""

from __future__ import annotations

import gc
import os
import resource
import threading
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Protocol

import zmq

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.figures import TIMES, Answer, Settings, Target
from benchmarks.peers import pyro5, rpyc, service_framework
from benchmarks.raw import raw_socket
from benchmarks.rounds import one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contender import Running
    from benchmarks.link import Link
    from benchmarks.rounds import Figures

RAW, OURS = "raw REP + thread", "sf_actors"
COUNT, FEW, MANY, QUICKLY = 1_000, 200, 2_000, 400


class Server(Protocol):
    """A server that can be started and stopped."""

    def start(self) -> None:
        """Start, and return when it is ready."""

    def stop(self) -> None:
        """Stop, and return when it has."""


class RawServer:
    """A bare REP socket and its thread, stopped through a descriptor."""

    def __init__(self) -> None:
        self._wakeup = os.eventfd(0)
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Start the thread and wait until the socket is bound."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """Wake the thread and wait for it."""
        os.eventfd_write(self._wakeup, 1)
        self._thread.join()
        os.close(self._wakeup)

    def _run(self) -> None:
        with raw_socket(zmq.REP) as socket:
            socket.bind("tcp://127.0.0.1:*")
            self._is_ready.set()
            while (self._wakeup, zmq.POLLIN) not in zmq.zmq_poll(
                [(socket, zmq.POLLIN), (self._wakeup, zmq.POLLIN)]
            ):
                socket.send(socket.recv())


class OurServer:
    """A service of ours, from its file."""

    def __init__(self) -> None:
        self._service = ours.echo_service()

    def start(self) -> None:
        """Start it in the background."""
        self._service.run_service()

    def stop(self) -> None:
        """Stop it."""
        self._service.stop_service()


class ThreadedServer:
    """A server whose loop runs in a thread that we start.

    :param run, close: its loop, and the function that ends it
    """

    def __init__(self, run: Callable[[], None], close: Callable[[], None]) -> None:
        self._close = close
        self._thread = threading.Thread(target=run, daemon=True)

    def start(self) -> None:
        """Start the thread; the socket is bound already."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        self._close()
        self._thread.join(5)


def rpyc_server() -> Server:
    """Return a server of RPyC."""
    server = rpyc.make_server()
    return ThreadedServer(server.start, server.close)


def pyro5_server() -> Server:
    """Return a daemon of Pyro5."""
    daemon, _ = pyro5.make_daemon()
    return ThreadedServer(daemon.requestLoop, daemon.shutdown)


MAKERS: dict[str, Callable[[], Server]] = {
    RAW: RawServer,
    OURS: OurServer,
    "RPyC": rpyc_server,
    "Pyro5": pyro5_server,
    "service_framework": service_framework.BackgroundServer,
}


def cycle(link: Link, *, name: str) -> None:
    """Start and stop as many servers as the harness asks for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    zmq.Context.instance().set(zmq.MAX_SOCKETS, 2 * MANY)
    make = MAKERS[name]
    first = make()  # the first one loads modules, and does not count
    first.start()
    first.stop()
    for command in link.commands():
        link.answer(**_cycled(make, command["count"]))


def _cycled(make: Callable[[], Server], count: int) -> dict[str, float]:
    gc.collect()
    memory, threads = _memory_kb(), _threads()
    began = perf_counter()
    servers = []
    for _ in range(count):
        server = make()
        server.start()
        servers.append(server)
    started = perf_counter()
    sleep(0.1)  # measure memory and threads when everything has come to rest
    gc.collect()
    used_kb, used_threads = _memory_kb() - memory, _threads() - threads
    stopping = perf_counter()
    for server in servers:
        server.stop()
    stopped = perf_counter()
    return {
        "start_ms": (started - began) / count * 1e3,
        "stop_ms": (stopped - stopping) / count * 1e3,
        "memory_kb": used_kb / count,
        "threads": round(used_threads / count, 2),
    }


def _family() -> list[str]:
    """Return the ids of this process and of its children."""
    me = str(os.getpid())
    children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    return [me, *children]


def _memory_kb() -> float:
    """Return the unshared memory of this process and its children, in kilobytes."""
    total = 0
    for pid in _family():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean", "Private_Dirty")):
                total += int(line.split()[1])
    return total


def _threads() -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in _family())


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("lifecycle", "what one service with one replyer costs")
    usual, most = (QUICKLY, QUICKLY) if settings.is_quick else (COUNT, MANY)
    counts = {RAW: usual, OURS: usual, "RPyC": FEW, "Pyro5": 20, "service_framework": 10}
    few, many = f"{OURS}, {FEW} of them", f"{OURS}, {most} of them"

    def burst(running: Running) -> dict[str, float]:
        count = {few: FEW, many: most}.get(running.name) or counts[running.name]
        return running.ask(count=count)

    contenders = [
        Contender(name, (side(cycle, name=name),), needs=None if name in (RAW, OURS) else name)
        for name in MAKERS
    ]
    contenders += [Contender(name, (side(cycle, name=OURS),)) for name in (few, many)]
    rounds = one_by_one(contenders, burst, rounds=1 if settings.is_quick else 3)
    found.left_out = rounds.left_out
    found.left_out["zero, zerorpc"] = "no start that returns when ready: their run blocks"
    units = {"start_ms": "ms", "stop_ms": "ms", "memory_kb": "kB", "threads": "threads"}
    for figure, unit in units.items():
        for name, count in counts.items():
            if name in rounds.left_out:
                continue
            label = f"{count:,} {name}: {figure.partition('_')[0]}"
            found.add(label, rounds.samples(name, figure), unit, is_ours=name == OURS)
    targets = {
        "start_ms": ("start to ready", Target(2, 1)),
        "stop_ms": ("stop", Target(1, 0.5)),
        "memory_kb": ("memory", Target(100, 60)),
    }
    for figure, (text, target) in targets.items():
        found.judge(
            f"sf_actors: {text}", _taken(rounds.samples(OURS, figure)), target, units[figure]
        )
    threads = [round(count, 1) for count in _taken(rounds.samples(OURS, "threads"))]
    found.judge("sf_actors: threads", threads, Target(2, 2), "threads")
    growth = [
        max(_time(after) / _time(before), after["memory_kb"] / before["memory_kb"])
        for before, after in zip(rounds.turns(few), rounds.turns(many), strict=True)
        if before and after
    ]
    text = f"sf_actors: one among {most:,} / one among {FEW}, the worse of time and memory"
    found.judge(text, growth, None if settings.is_quick else Target(1.5, 1.1), TIMES)
    return found


def _time(figures: Figures) -> float:
    return figures["start_ms"] + figures["stop_ms"]


def _taken(samples: list[float | None]) -> list[float]:
    return [sample for sample in samples if sample is not None]
