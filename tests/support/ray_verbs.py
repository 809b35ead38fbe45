"""Verbs as forks of a process that has imported Ray, which takes longer than most of them.

Run as a program it is that process: each line of its standard input is a verb.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.processes import ROOT
from tests.support.shell import Ran


class RayVerbs:
    """The process, until `close`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ray_verbs"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ran(self, *argv: str, cwd: Path, **env: str) -> Ran:
        """Run a verb in a process of its own."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("out", "err")]
            print(json.dumps([argv, str(cwd), env, files]), file=stdin, flush=True)
            status = int(stdout.readline())
            return Ran(status, *(Path(file).read_text() for file in files))

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


@cache
def verbs_here() -> RayVerbs:
    """Return the one of this process, which ends with it."""
    verbs = RayVerbs()
    atexit.register(verbs.close)
    return verbs


def run(argv: list[str], cwd: str, env: dict[str, str], files: list[str]) -> int:
    """Run a verb; returns its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    streams = [os.open(os.devnull, os.O_RDONLY)]
    streams += [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for file in files]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.update(env)
    sys.argv[1:] = argv
    from sf_actors.cli import shell

    shell.run()
    raise AssertionError("unreachable")


def main() -> None:
    """Run verbs until standard input ends."""
    import sf_actors.cli.ray_requests
    import sf_actors.fleet.ray.cluster  # noqa: F401 - for those that are forked

    # who is forked has none of ours
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    line: Any
    for line in asked:
        print(run(*json.loads(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
