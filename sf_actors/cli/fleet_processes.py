"""Finds the inspectors on this machine that belong to a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleet_run_folder import run_folder_here
from sf_actors.cli.fleets import DEFAULT_FILE
from sf_actors.cli.parser import TIMEOUT_S

if TYPE_CHECKING:
    import argparse

    from sf_actors.fleet.run_folder import RunFolder
    from sf_actors.inspection.client import Responder


class FleetProcesses:
    """The processes of a fleet; asked for anew each time, since they change.

    :param is_alone: look in the fleet only; else in the fleet first, then anywhere
    :param timeout_s: how long its `up` may take to answer, in seconds
    """

    def __init__(self, fleet: RunFolder, shown: str, *, is_alone: bool, timeout_s: float) -> None:
        self.is_alone = is_alone
        self._fleet = fleet
        self._shown = shown
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> FleetProcesses | None:
        """Return the fleet that `--fleet` names, else the one of this folder, if there is one."""
        fleet = run_folder_here(arguments)
        if fleet is None:
            return None
        shown = arguments.fleet or DEFAULT_FILE
        given = arguments.timeout if "timeout" in arguments else None
        timeout_s = TIMEOUT_S if given is None else given
        return cls(fleet, shown, is_alone=arguments.fleet is not None, timeout_s=timeout_s)

    def pids(self) -> frozenset[int]:
        """Return the pids of its processes that run now.

        :raises RequestTimeout: its `up` does not answer in time
        """
        from sf_actors.fleet.control import ask_status  # noqa: PLC0415 - in a fleet's folder alone

        answer = ask_status(self._fleet, lambda _words: None, self._timeout_s)
        rows = () if answer is None else answer.get("services", ())
        return frozenset(row["pid"] for row in rows if row["pid"] is not None)

    def of_it(self, inspectors: list[Responder]) -> list[Responder]:
        """Return the inspectors among some that belong to the fleet."""
        pids = self.pids()
        return [one for one in inspectors if one.pid in pids]

    def absence(self) -> str:
        """Return the end of a message: that no `up` of it runs, or nothing if one does."""
        try:
            connection = self._fleet.connect(waits=False)
        except TimeoutError:
            return ""
        if connection is None:
            return f"; no up of {self._shown} runs"
        connection.close()
        return ""
