"""Contenders: starts the measured processes, stops them between bursts, and ends them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The folder that holds the package and the benchmarks.
ROOT = Path(__file__).resolve().parent.parent

#: How long a side may take to start, and to answer after the time of a measurement, in seconds.
PATIENCE_S = 60.0


class ContenderFailed(Exception):
    """A contender did not start, has ended, or did not answer."""


@dataclass(frozen=True)
class Side:
    """One process of a contender.

    :param target: ``package.module:function``, called with the link and the arguments
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def side(function: Callable[..., None], **arguments: Any) -> Side:
    """Return the side for a function, whose module may be running as ``__main__``."""
    return Side(f"{function.__module__}:{function.__qualname__}", arguments)


@dataclass(frozen=True)
class Contender:
    """Something that is measured.

    :param name: the name in the table
    :param sides: its processes; the facts that one reports when ready are arguments of later ones
    :param needs: the peer that must be installed, by its name in `benchmarks.peers.PEERS`
    """

    name: str
    sides: tuple[Side, ...]
    needs: str | None = None


class Child:
    """A process for one side, in a session of its own so that signals reach its children too.

    :param folder: its working directory
    """

    def __init__(self, played: Side, facts: Mapping[str, Any], folder: Path) -> None:
        arguments = json.dumps({**played.arguments, **facts})
        self._target = played.target
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", played.target, arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command and wait for the answer.

        :raises ContenderFailed: the process ended or was silent for too long
        """
        commands = self._popen.stdin
        if commands is None or self._popen.poll() is not None:
            raise self._failure("has ended")
        try:
            commands.write(json.dumps(command).encode() + b"\n")
            commands.flush()
        except BrokenPipeError:
            raise self._failure("has ended") from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer.

        :raises ContenderFailed: the process ended or was silent for too long
        """
        answers = self._popen.stdout
        if answers is None or not select.select([answers], [], [], PATIENCE_S)[0]:
            raise self._failure(f"said nothing for {PATIENCE_S:g} s")
        line = answers.readline()
        if not line:
            raise self._failure("has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    @property
    def processor_s(self) -> float:
        """The processor time that the process has taken so far, in seconds."""
        # the CPU clock of another process, computed as by clock_getcpuclockid(3) on Linux
        return time.clock_gettime((~self._popen.pid << 3) | 2)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to the processes that it started."""
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return  # it has ended; the next command will fail

    def end(self) -> None:
        """Kill the process and those that it started."""
        self.signal(signal.SIGKILL)
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # closing flushes a command that was never read

    def _failure(self, what: str) -> ContenderFailed:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return ContenderFailed(f"{self._target} {what}{last}")


class Running:
    """A contender with running processes; ended by `with`.

    :raises ContenderFailed: a side did not start
    """

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        self.children: list[Child] = []
        #: values that a question keeps for this contender between bursts
        self.notes: dict[str, Any] = {}
        #: the facts that the sides reported when they were ready
        self.facts: dict[str, Any] = {}
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            for played in contender.sides:
                child = Child(played, self.facts, folder)
                stack.callback(child.end)
                self.children.append(child)
                self.facts |= child.answer()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def ask(self, which: int = -1, /, **command: Any) -> dict[str, Any]:
        """Send one side a command and wait for the answer.

        :param which: the side; by default the one that started last
        """
        return self.children[which].ask(command)

    @property
    def processor_s(self) -> float:
        """The processor time that all its processes have taken so far, in seconds."""
        return sum(child.processor_s for child in self.children)

    def pause(self) -> None:
        """Stop all its processes by SIGSTOP."""
        for child in reversed(self.children):
            child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue its processes."""
        for child in self.children:
            child.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill its processes."""
        self._stack.close()
