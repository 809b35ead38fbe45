"""replyers: three replyers balanced by one requester, and 1,000 calls during a restart of one.

The handlers take a millisecond, and 64 threads call. The ideal is three times the rate of one
replyer in the same round. A process is restarted by SIGTERM while eight threads call it; a call
that begins then waits until the successor is READY. A call that ends in an error counts as lost.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings, Target
from benchmarks.ports import free_port
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running
    from benchmarks.link import Link

IN_FLIGHT, CALLS, THREADS = 64, 1_000, 8
ONE, THREE, IDEAL = "one replyer", "three replyers", "three times one replyer"
RESTARTED = "through a restart"


class Served:
    """The echo in a process of its own, started by the command line."""

    def __init__(self, port: int) -> None:
        places = {"connections": {"in": {"echo": f"127.0.0.1:{port}"}}}
        Path("addresses.json").write_text(json.dumps(places), encoding="utf-8")
        self._process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        file = str(ours.SERVICES / "echo.py")
        process = subprocess.Popen(
            [sys.executable, "-m", "sf_actors", "-s", file, "-a", "addresses.json"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr or ():
            if '"ready"' in line:
                return process
        raise RuntimeError("the echo has not become ready")

    def restart(self) -> None:
        """Stop it by SIGTERM, and start another one at the same address."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()
        self._process = self._started()


def serve_restarting(link: Link) -> None:
    """Answer echoes; a command begins a restart, the next one waits for its end."""
    served = Served(port := free_port())
    link.ready(port=port)
    taken_ms = 0.0

    def restart() -> None:
        nonlocal taken_ms
        began = perf_counter()
        served.restart()
        taken_ms = (perf_counter() - began) * 1e3

    for number, _command in enumerate(link.commands()):
        if number % 2 == 0:
            thread = threading.Thread(target=restart)
            thread.start()
        else:
            thread.join()
        link.answer(restart_ms=taken_ms)


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("replyers", f"handlers of 1 ms, {IN_FLIGHT} callers; {CALLS:,} calls, a restart")

    def burst(running: Running) -> dict[str, float]:
        if running.name != RESTARTED:
            return running.ask(seconds=settings.burst_s)
        running.ask(0)
        figures = running.ask(calls=CALLS, threads=THREADS)
        return figures | running.ask(0)

    names = ("first", "second", "third")
    workers = [side(ours.work, name=name) for name in names]
    asking = side(ours.ask_workers, in_flight=IN_FLIGHT)
    contenders = [
        Contender(ONE, (workers[0], asking)),
        Contender(THREE, (*workers, asking)),
        Contender(RESTARTED, (side(serve_restarting), side(ours.ask_counted))),
    ]
    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    one = rounds.samples(ONE, "per_s")
    ideal = [None if sample is None else 3 * sample for sample in one]
    three = rounds.samples(THREE, "per_s")
    for name, samples in ((THREE, three), (ONE, one), (IDEAL, ideal)):
        found.add(name, samples, "/s", less_is_better=False, is_ours=name != IDEAL)
    slowest = f"slowest of {CALLS:,} calls"
    restart = "restart, from the signal to READY"
    found.add(slowest, rounds.samples(RESTARTED, "slowest_ms"), "ms", is_ours=True)
    found.add(restart, rounds.samples(RESTARTED, "restart_ms"), "ms")
    found.compare(THREE, ONE)
    found.compare(THREE, IDEAL)
    found.compare(slowest, restart)
    lost = [sample for sample in rounds.samples(RESTARTED, "lost") if sample is not None]
    found.judge(f"lost of {CALLS:,} calls", lost, Target(0, 0), "calls")
    return found
