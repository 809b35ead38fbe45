"""A replyer in a process of its own that records each job, and threads that call it."""

from __future__ import annotations

import json
import threading
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors import RequestTimeout
from tests.support.processes import Process
from tests.support.services import Background
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.doubling_service import Asking

JOB = """
import os, time
def on_request(args):
    with open({path!r}, 'a') as file:
        file.write(f"{{os.getpid()}} {{args['n']}}\\n")
    time.sleep({seconds})
    return {{'n': args['n'] * 2}}
connection_models = {{'in': {{'job': {{
    'connection_type': 'replyer',
    'required_creation_arguments': {{'on_request': on_request}},
    'optional_creation_arguments': {{'deduplicate': {deduplicate}}},
    'required_arguments': {{'n': int}},
    'required_return_arguments': {{'n': int}},
}}}}}}
"""

#: How often a thread checks that it runs in time, in seconds.
STALLS_EVERY_S = 0.005


class Worker:
    """A process with a replyer that records each job before it begins; it doubles a number."""

    def __init__(
        self,
        folder: Path,
        address: str,
        *,
        seconds: float,
        deduplicate: bool = True,
        name: str = "job",
    ) -> None:
        self._done = folder / "jobs"
        file = folder / f"{name}.py"
        source = JOB.format(path=str(self._done), seconds=seconds, deduplicate=deduplicate)
        file.write_text(source, encoding="utf-8")
        addresses = folder / f"{name}.json"
        place = {"connections": {"in": {"job": {"replyer": address}}}}
        addresses.write_text(json.dumps(place), encoding="utf-8")
        self._arguments = ("-s", str(file), "-a", str(addresses))

    def start(self) -> Process:
        """Start a process, which is READY when this returns."""
        process = Process(*self._arguments)
        process.wait_until_ready()
        return process

    def jobs(self) -> list[int]:
        """Return the numbers of all begun jobs, in any process."""
        return [number for _, number in self.jobs_by_process()]

    def jobs_by_process(self) -> list[tuple[int, int]]:
        """Return the process id and the number of each begun job."""
        text = self._done.read_text(encoding="utf-8") if self._done.exists() else ""
        return [(int(pid), int(number)) for pid, number in map(str.split, text.splitlines())]


class Callers:
    """Threads that call without a pause until `end`.

    :ivar answered: the numbers of the calls that were answered
    :ivar timed_out: the numbers of those that ended in `RequestTimeout`
    :ivar slowest_s: how long the slowest call took
    :ivar stall_s: the longest delay of a thread of this process, which a busy machine may add to
        a call
    """

    def __init__(self, ours: Asking, count: int) -> None:
        self.answered: list[int] = []
        self.timed_out: list[int] = []
        self.slowest_s = 0.0
        self.stall_s = 0.0
        self._ours = ours
        self._is_over = threading.Event()
        self._threads = [Background(self._call, caller) for caller in range(count)]
        self._threads.append(Background(self._notice_stalls))

    def _call(self, caller: int) -> None:
        number = caller * 1_000_000
        slowest_s = 0.0
        while not self._is_over.is_set():
            number += 1
            began_at = monotonic()
            try:
                assert self._ours.ask(number) == {"n": 2 * number}
            except RequestTimeout:
                self.timed_out.append(number)
            else:
                self.answered.append(number)
            slowest_s = max(slowest_s, monotonic() - began_at)
        self.slowest_s = max(self.slowest_s, slowest_s)

    def _notice_stalls(self) -> None:
        began_at = monotonic()
        while not self._is_over.wait(STALLS_EVERY_S):
            ended_at = monotonic()
            self.stall_s = max(self.stall_s, ended_at - began_at - STALLS_EVERY_S)
            began_at = ended_at

    def go_on(self, calls: int = 50) -> None:
        """Wait until this number of further calls has been answered."""
        before = len(self.answered)
        until(lambda: len(self.answered) >= before + calls, "further calls", 3 * PATIENCE_S)

    def end(self) -> None:
        """Let each thread finish its last call, and raise the error of any thread."""
        self._is_over.set()
        errors = [thread.join(3 * PATIENCE_S) for thread in self._threads]
        assert errors == [None] * len(errors)
