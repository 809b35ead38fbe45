"""Finds the run folder of the fleet that a verb is about, and takes it for `up` and `down`.

After an `up` was killed, its children may still hold the folder for a few seconds.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.cli.fleets import DEFAULT_FILE
from sf_actors.cli.polling import poll_until
from sf_actors.cli.stderr import report
from sf_actors.errors import FolderError, TargetError, UsageError

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Callable

    from sf_actors.fleet.run_folder import RunFolder

#: How long to wait for the children of a killed `up` to exit, in seconds. They stop within four;
#: an `up` that is starting or stopping answers sooner.
LEAVING_S: Final = 15.0
#: Between two attempts, and how long to try before saying so, in seconds.
BETWEEN_S: Final = 0.02
REPORTING_S: Final = 0.3


def run_folder_here(arguments: argparse.Namespace) -> RunFolder | None:
    """Return the run folder of the fleet that is named, else of the one here, if there is one.

    The file of a named fleet need not exist any more.
    """
    if arguments.fleet is None and not Path(DEFAULT_FILE).is_file():
        return None
    from sf_actors.fleet.run_folder import RunFolder  # noqa: PLC0415 - seldom used

    return RunFolder.of(Path(arguments.fleet or DEFAULT_FILE))


def required_run_folder(arguments: argparse.Namespace) -> RunFolder:
    """Return the run folder of the fleet, as `run_folder_here`, or raise.

    :raises UsageError: there is no fleet here
    """
    run_folder = run_folder_here(arguments)
    if run_folder is None:
        raise UsageError(f"expected {DEFAULT_FILE} in the working directory, or --fleet FILE")
    return run_folder


def running_up(arguments: argparse.Namespace) -> socket.socket:
    """Return a connection to the `up` of the fleet.

    :raises UsageError: there is no fleet here
    :raises TargetError: it does not run
    """
    connection = required_run_folder(arguments).connect()
    if connection is None:
        raise TargetError(f"no up of {arguments.fleet or DEFAULT_FILE} runs: sf_actors up")
    return connection


def take_run_folder(
    run_folder: RunFolder, report: Callable[[str], None] = report
) -> socket.socket | None:
    """Take a run folder, waiting for the children of a killed `up` to leave it.

    :param report: shows a text to the user about a wait
    :returns: None if it was taken; else a connection to the running `up`
    :raises FolderError: it cannot be taken, or a process does not leave it
    """
    found = poll_until(
        lambda: _look(run_folder), deadline=monotonic() + REPORTING_S, between_s=BETWEEN_S
    )
    if found is None:
        report("waiting for what an earlier up has left to end")
        deadline = monotonic() + LEAVING_S
        found = poll_until(lambda: _look(run_folder), deadline=deadline, between_s=BETWEEN_S)
    if found is None:
        raise FolderError(
            f"{run_folder.path}: a process of an earlier up still has it after {LEAVING_S:g} s; "
            "end it"
        )
    return found[0]


def _look(run_folder: RunFolder) -> tuple[socket.socket | None] | None:
    """Return (None,) if the folder was taken, (connection,) to a running `up`, or None to wait."""
    if run_folder.take():
        return (None,)
    connection = run_folder.connect()
    return None if connection is None else (connection,)
