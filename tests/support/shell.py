"""Runs the shell's verbs, as processes or in this one, and services that they can inspect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from sf_actors import inspect
from sf_actors.cli.shell import main
from tests.support.processes import PATIENCE_S, ROOT
from tests.support.services import ECHO_ADDRESSES, echo, replying, service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sf_actors import Service


class Ran(NamedTuple):
    """The result of a verb: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The output, parsed as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def ran(
    *argv: str,
    given: str = "",
    cwd: Path | None = None,
    patience_s: float = PATIENCE_S,
    **env: str,
) -> Ran:
    """Run a verb in a process of its own.

    :param given: its standard input
    :param patience_s: how long it may take, in seconds
    """
    done = subprocess.run(
        [sys.executable, "-m", "sf_actors", *argv],
        input=given,
        capture_output=True,
        text=True,
        timeout=patience_s,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def ran_here(*argv: str, cwd: Path | None = None) -> Ran:
    """Run a verb in this process, in a folder if one is given; in its main thread alone."""
    with (
        TemporaryFile("w+", encoding="utf-8") as out,
        TemporaryFile("w+", encoding="utf-8") as err,
    ):
        with chdir(cwd or "."), redirect_stdout(out), redirect_stderr(err):
            try:
                status: object = main(argv)
            except SystemExit as end:
                status = end.code
        for stream in (out, err):
            stream.seek(0)
        return Ran(int(str(status)), out.read(), err.read())


@contextmanager
def looked_at(*services: Service) -> Iterator[None]:
    """Run services of this process with an inspector."""
    inspection = inspect()
    started: list[Service] = []
    try:
        for service in services:
            service.run_service()
            started.append(service)
        yield
    finally:
        for service in reversed(started):
            service.stop_service()
        inspection.close()


def echoing(name: str = "echo_service", handler: Callable[..., Any] = echo) -> Service:
    """Return a service with one replyer, `echo`, on a free port."""
    return service_of(replying(handler), addresses=ECHO_ADDRESSES, name=name)
