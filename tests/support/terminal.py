"""A verb on a pseudo-terminal: its output, key presses, and the terminal's state afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from tests.support.processes import PATIENCE_S, ROOT

if TYPE_CHECKING:
    import signal

ROWS, COLUMNS = 40, 200


class Terminal:
    """A process whose standard streams are a pseudo-terminal; ended by `with`."""

    def __init__(self, *argv: str, **env: str) -> None:
        self._ours, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before: list[Any] = termios.tcgetattr(self._its)
        self.shown = ""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **env}
        if "NO_COLOR" not in env:
            environment.pop("NO_COLOR", None)
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "sf_actors", *argv],
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            env=environment,
            # a session of its own, controlled by the terminal, so that Ctrl-C works
            preexec_fn=self._take_terminal,  # noqa: PLW1509 - nothing else takes a terminal
        )

    def _take_terminal(self) -> None:
        os.setsid()
        fcntl.ioctl(self._its, termios.TIOCSCTTY, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        os.close(self._ours)
        os.close(self._its)

    @property
    def is_as_before(self) -> bool:
        """True if the terminal has its original attributes."""
        return bool(termios.tcgetattr(self._its) == self.before)

    def press(self, keys: str) -> None:
        """Type keys; `\\x03` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def wait_for(self, text: str) -> str:
        """Wait until a text is shown, after the last one; returns the output until then."""
        deadline = monotonic() + PATIENCE_S
        while text not in self.shown:
            assert monotonic() < deadline, f"{text!r} was not shown; shown was {self.shown!r}"
            self._read(0.1)
        shown, self.shown = self.shown, ""
        return shown

    def wait(self) -> tuple[int, str]:
        """Wait for the end; returns the exit status, and the last output."""
        deadline = monotonic() + PATIENCE_S
        while self.popen.poll() is None:
            assert monotonic() < deadline, f"it has not ended; shown was {self.shown!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.popen.returncode, self.shown

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return True
