"""Signals that come while a command is ending: its status is right, and no traceback is shown."""

from __future__ import annotations

import os
import sched
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from sf_actors.cli.arguments import Arguments
from sf_actors.cli.command import run_service
from tests.support.fleets import QUIET, fleet_in
from tests.support.processes import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: Replaces what a verb does.
PROGRAM = """
import signal, sys, threading, time
from sf_actors.cli import shell

def twice(argv):
    both = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    for number in both:
        signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

def hidden(argv):
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        raise AttributeError("as argparse does when it is interrupted")

def again(argv):
    old = signal.signal
    def interrupted(number, handler):
        signal.signal = old
        signal.raise_signal(signal.SIGTERM)
    signal.signal = interrupted
    signal.raise_signal(signal.SIGTERM)

def stuck(argv, main=shell.main, wait=threading.Event.wait):
    def interrupted(self, timeout=None):
        threading.Event.wait = wait
        # the second of two signals comes when the wait for the start of a thread is left
        self._cond.acquire()
        time.sleep(0.2)
        signal.raise_signal(signal.SIGTERM)
    threading.Event.wait = interrupted
    return main(argv)

shell.main = globals()[sys.argv.pop()]
shell.run()
"""


@pytest.mark.parametrize("how", ["twice", "hidden", "again", "stuck"])
def test_a_verb_that_gets_two_signals_or_one_where_none_is_expected_ends_silently(
    tmp_path: Path, how: str
) -> None:
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, "check", how],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (run.stdout, run.stderr) == ("", "")
    assert run.returncode in {128 + signal.SIGINT, 128 + signal.SIGTERM}


@pytest.mark.parametrize("was_ready", [True, False])
def test_ctrl_c_before_or_after_a_service_runs_is_no_failure_of_it(
    capfd: pytest.CaptureFixture[str], was_ready: bool
) -> None:
    # in a module of Python, as where it waits for the start of a thread
    interrupting = sched.scheduler()
    interrupting.enter(0, 0, signal.raise_signal, (signal.SIGINT,))
    service = cast(
        "Any", SimpleNamespace(run_service_blocking=interrupting.run, was_ready=was_ready)
    )
    assert run_service(service, Arguments(service_path="any.py")) == 130
    assert capfd.readouterr().err == ""
