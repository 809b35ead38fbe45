"""The requests of verbs to the `up` of a fleet on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import PS_KEYS
from sf_actors.cli.fleets import fleet_of
from sf_actors.cli.output import Output
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import FleetError, RequestTimeout
from sf_actors.fleet.control import ask, ask_status

if TYPE_CHECKING:
    import argparse

    from sf_actors.fleet.run_folder import RunFolder


def with_fleet(
    rows: list[dict[str, Any]],
    run_folder: RunFolder,
    arguments: argparse.Namespace,
    *,
    timeout_s: float,
) -> list[dict[str, Any]]:
    """Put the rows of a fleet first, with rows for its instances that do not run.

    :param rows: the rows of `ps` for all services on this machine
    :param timeout_s: how long the fleet's `up` may take to answer, in seconds
    """
    own = _instances(run_folder, arguments, timeout_s)
    found = []
    for instance in own:
        of_it = [
            row
            for row in rows
            if instance["pid"] is not None
            and row["pid"] == instance["pid"]
            # a silent process is listed under its socket's name, which may differ
            and (row["service"] == instance["service"] or row["phase"] is None)
        ]
        if of_it:
            found += [{**row, "service": instance["service"], "reason": None} for row in of_it]
            rows = [row for row in rows if row not in of_it]
        else:
            found.append({**dict.fromkeys(PS_KEYS), **instance})
    return found + rows


def stop_in_fleet(run_folder: RunFolder, arguments: argparse.Namespace) -> int | None:
    """Stop a service of a running fleet; None if the fleet does not run or lacks the service.

    :returns: the exit status
    """
    connection = run_folder.connect()
    if connection is None:
        return None
    name = arguments.service
    found = ask(connection, report, verb="ps")
    names = {row["service"] for row in found.get("services", ())}
    services = {*found.get("known", ()), *(one.partition("#")[0] for one in names)}
    if name not in {*names, *services}:
        return None
    again = run_folder.connect()
    if again is None:
        return None
    answer = ask(again, report, verb="stop", names=[name])
    if arguments.json:
        out = Output(as_json=True)
        for one in answer.get("stopped", ()):
            out.emit({"service": one, "pid": answer["pids"].get(one), "stopped": True})
    return int(answer.get("status", FAILED))


def running_pids(run_folder: RunFolder, timeout_s: float) -> set[int] | None:
    """Return the pids of a fleet's instances; None if no `up` of it runs.

    :param timeout_s: how long its `up` may take to answer, in seconds
    :raises RequestTimeout: it took longer
    """
    answer = ask_status(run_folder, report, timeout_s)
    if answer is None or "services" not in answer:
        return None
    return {row["pid"] for row in answer["services"] if row["pid"] is not None}


def _instances(
    run_folder: RunFolder, arguments: argparse.Namespace, timeout_s: float
) -> list[dict[str, Any]]:
    """Return the status of each instance of a fleet, as `ps` shows it; none if `up` is silent."""
    try:
        answer = ask_status(run_folder, report, timeout_s)
    except RequestTimeout as error:
        # its services are listed, but not known as its own
        report(str(error))
        return []
    if answer is not None and "services" in answer:
        rows: list[dict[str, Any]] = answer["services"]
        return rows
    try:
        fleet = fleet_of(arguments)
    except FleetError as error:
        if arguments.fleet is not None:
            raise
        report(str(error))
        return []
    reason = f"not started: no up of {Path(fleet.path).name} runs"
    return [
        {"service": name, "phase": "STOPPED", "reason": reason, "pid": None}
        for service in fleet.services
        for name in service.instance_names
    ]
