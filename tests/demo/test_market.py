"""The demonstration as a real process: line by line, in a terminal, and as single services."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

import pytest

from tests.support.processes import PATIENCE_S, ROOT, Process

if TYPE_CHECKING:
    from types import TracebackType

pytestmark = pytest.mark.slow

WITHOUT_RICH = "import sys; sys.modules['rich'] = sys.modules['rich.live'] = None; "
RUN_DEMO = "sys.argv[1:] = ['demo']; from sf_actors.cli.command import run; run()"


class Terminal:
    """A process whose standard input, output and error are one terminal; ended by `with`."""

    def __init__(self, *command: str) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 100))
        self.popen = subprocess.Popen(
            [sys.executable, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        )
        os.close(theirs)
        self.screen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        os.close(self._ours)

    def read_until(self, pattern: str) -> None:
        """Read until the pattern has come."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.screen):
            assert self._read(deadline), f"{pattern!r} did not come: {self.screen!r}"

    def wait(self) -> int:
        """Return the exit status, with everything read."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.popen.wait(PATIENCE_S)

    def _read(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # Linux says so when the last who held the other end is gone
            return False
        self.screen += read.decode(errors="replace")
        return bool(read)


def test_without_a_terminal_it_prints_lines_and_the_replica_is_equal() -> None:
    with Process("demo", "--seconds", "2") as demo:
        assert demo.wait() == 0
        assert demo.err == []
        assert len(demo.out) >= 3
        updates = [int(line.rpartition(" ")[2]) for line in demo.out]
        assert updates == sorted(set(updates))
        assert all("LIVE, equal at update" in line for line in demo.out)
        assert re.search(r"best bid 1\d\d\.\d\d   best ask 1\d\d\.\d\d ", demo.out[-1])


def test_an_interrupt_ends_it_cleanly() -> None:
    with Process("demo", "--seconds", "600") as demo:
        demo.wait_for_line("equal at update")
        demo.interrupt()
        assert demo.wait() == 0
        assert demo.err == []


def test_in_a_terminal_it_draws_a_table_until_it_is_interrupted() -> None:
    with Terminal("-m", "sf_actors", "demo", "--seconds", "600") as demo:
        demo.read_until(r"\x1b\[1A[^┃]*best bid(?s:.*)equal at update")  # drawn over itself
        demo.popen.send_signal(signal.SIGINT)
        assert demo.wait() == 0
        assert "Traceback" not in demo.screen
        assert "\x1b[?25h" in demo.screen.rpartition("\x1b[?25l")[2], "the cursor stays hidden"


def test_in_a_terminal_without_rich_it_prints_lines() -> None:
    with Terminal("-c", WITHOUT_RICH + RUN_DEMO) as demo:
        demo.read_until(r"best bid \S+   best ask \S+ .* equal at update \d+\r\n")
        demo.popen.send_signal(signal.SIGINT)
        assert demo.wait() == 0
        assert "\x1b" not in demo.screen


def test_a_second_interrupt_ends_it_at_once() -> None:
    twice = (
        "import signal; from sf_actors.demo.market import Interrupts; Interrupts();"
        "signal.raise_signal(signal.SIGINT); print('one', flush=True);"
        "signal.raise_signal(signal.SIGINT); print('two', flush=True)"
    )
    with Process("-c", twice, module=None) as process:
        assert process.wait() == 128 + signal.SIGINT
        assert process.out == ["one"]


def test_who_reads_a_few_lines_and_goes_sees_no_error() -> None:
    command = [sys.executable, "-m", "sf_actors", "demo", "--seconds", "600"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == ""
        assert demo.wait(PATIENCE_S) == 0
