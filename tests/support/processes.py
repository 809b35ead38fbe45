"""`python -m sf_actors` as a real process, whose lines a test waits for."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: The folder that holds the package, for processes that run elsewhere.
ROOT = Path(__file__).parent.parent.parent

#: How long a test waits for a line or an end, in seconds; far longer than necessary.
PATIENCE_S = 30.0


class Process:
    """A process whose standard output and error are read line by line; ended by `with`.

    :param arguments: for `python -m sf_actors`, or for `python` with `module=None`
    """

    def __init__(
        self,
        *arguments: str,
        module: str | None = "sf_actors",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        import os

        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        start = [sys.executable, *(["-m", module] if module else []), *arguments]
        self.popen = subprocess.Popen(
            start,
            cwd=cwd,
            env=environment | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._lines: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.popen.stdout), ("err", self.popen.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_error: object) -> None:
        status = self.popen.poll()
        if status is None:
            self.popen.kill()
        self.wait()
        if kind is not None:
            # what it said, beside the failure of the test
            sys.stdout.write("\n".join((*self.out, *self.err, f"its status: {status}", "")))
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put((name, line.rstrip("\n")))
        self._lines.put((name, None))

    def wait_for_line(
        self, wanted: Callable[[str], bool] | str, timeout_s: float = PATIENCE_S
    ) -> str:
        """Return the next line of either stream that contains a text or satisfies a function."""
        matches = wanted if callable(wanted) else lambda line: wanted in line
        deadline = time.monotonic() + timeout_s
        ended = 0
        while ended < 2:
            try:
                name, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if line is None:
                ended += 1
                continue
            (self.out if name == "out" else self.err).append(line)
            if matches(line):
                return line
        raise AssertionError(f"no line {wanted!r} came; out: {self.out}, err: {self.err}")

    def wait_for_event(self, event: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next log line whose `event` is this."""
        found: dict[str, Any] = {}

        def is_it(line: str) -> bool:
            if line.startswith("{"):
                found.clear()
                found.update(json.loads(line))
            return found.get("event") == event

        self.wait_for_line(is_it, timeout_s)
        return found

    def wait_until_ready(self) -> dict[str, Any]:
        """Return the addresses in the line that reports the service ready."""
        addresses: dict[str, Any] = self.wait_for_event("ready")["addresses"]
        return addresses

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end and read all lines; returns the exit status."""
        status = self.popen.wait(timeout_s)
        for reader in self._readers:
            reader.join()
        while not self._lines.empty():
            name, line = self._lines.get()
            if line is not None:
                (self.out if name == "out" else self.err).append(line)
        return status
