"""`up --on ray`: starts a fleet on a cluster, shows its lines, and stops it with Ctrl-C."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from ray.exceptions import RayError

from sf_actors.cli.fleet_check import checked_fleet
from sf_actors.cli.fleet_lines import FleetLines
from sf_actors.cli.ray_flags import cluster_of
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.fleet.ray.actor_registry import Design
from sf_actors.fleet.ray.package import keys_of, require_inside, write_package
from sf_actors.fleet.signals import taken

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.ray.cluster import Cluster, ControlHandle


def run_on_ray(fleet: Fleet, arguments: argparse.Namespace, *, wait_s: float) -> int:
    """Start a fleet, or its missing services, on a cluster.

    :param wait_s: with `-d`: how long all may take to be READY, in seconds
    :returns: the exit status
    :raises UserError: it cannot be sent to the cluster, or cannot run there
    """
    require_inside(fleet)
    found = checked_fleet(fleet, report, in_process=False)
    if found is None:
        return FAILED
    signals: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def note(number: int, _frame: object) -> None:
        signals.put(("signal", number))

    with travelling(fleet, arguments) as cluster, taken(-1, note):
        control = cluster.control()
        if control is not None:
            design = design_of(fleet, found, cluster)
            services = list(fleet.by_name)
            answer = control.ask(
                report, verb="start", names=arguments.names, services=services, design=design
            )
            return int(answer.get("status", FAILED))
        cluster.require_hosts()
        control = cluster.start(design_of(fleet, found, cluster), arguments.names)
        shown = _Shown(fleet, control, signals, is_quiet=arguments.detach, as_json=arguments.json)
        if arguments.detach:
            status = shown.until_ready(wait_s)
            if status == 0:
                control.leave()
                return 0
            control.end(signal.SIGTERM)
            shown.to_end()
        else:
            status = shown.to_end()
        left = cluster.wait_gone()
        if left:
            report(f"still there: {', '.join(left)}")
            return status or FAILED
        return status


def design_of(fleet: Fleet, found: Checked, cluster: Cluster) -> Design:
    """Return what the control actor needs in order to run a fleet."""
    return Design(
        fleet=fleet,
        checked=found,
        package=cluster.package,
        keys={name: keys_of(fleet, name) for name in fleet.by_name},
    )


@contextmanager
def travelling(fleet: Fleet, arguments: argparse.Namespace) -> Iterator[Cluster]:
    """Yield the cluster of a fleet, with a package of the fleet's folder to send there."""
    with TemporaryDirectory(prefix="sf-fleet-") as folder:
        package = Path(folder) / "fleet.zip"
        write_package(fleet, package)
        with cluster_of(arguments, fleet=fleet, package=package) as cluster:
            yield cluster


class _Shown:
    """Shows the events of a fleet's control actor; in the main thread, which signals interrupt."""

    def __init__(
        self,
        fleet: Fleet,
        control: ControlHandle,
        events: SimpleQueue[tuple[Any, ...]],
        *,
        is_quiet: bool,
        as_json: bool,
    ) -> None:
        self._control = control
        self._events = events
        self._show: Callable[[str, dict[str, Any]], None] | None = None
        if not is_quiet:
            names = [name for service in fleet.services for name in service.instance_names]
            lines = FleetLines(names, as_json=as_json)
            self._show = lines.guarded(lambda _status: control.end(signal.SIGTERM))
        self._status: int | None = None
        threading.Thread(target=self._hear, name="up", daemon=True).start()

    def to_end(self) -> int:
        """Show all events until the fleet ends; returns its exit status."""
        while self._status is None:
            self._take(self._events.get())
        return self._status

    def until_ready(self, wait_s: float) -> int:
        """Return 0 once all are READY; else print the reason, and return the exit status."""
        deadline = monotonic() + wait_s
        while self._status is None:
            try:
                event = self._events.get(timeout=max(0.0, deadline - monotonic()))
            except Empty:
                report(f"not all are READY within {wait_s:g} s: everything is stopped again")
                return FAILED
            if event[0] == "settled":
                if event[1]:
                    report("not all can be READY: everything is stopped again")
                return int(event[1])
            if event[0] == "signal":
                return 128 + int(event[1])
            self._take(event)
        return self._status or FAILED

    def _take(self, event: tuple[Any, ...]) -> None:
        kind, *given = event
        if kind == "signal":
            self._control.end(*given)
        elif kind == "say":
            report(*given)
        elif kind == "line" and self._show is not None:
            self._show(*given)
        elif kind == "over":
            (self._status,) = given

    def _hear(self) -> None:
        try:
            for event in self._control.shown():
                self._events.put(event)
                if event[0] == "over":
                    return
        except (RayError, ValueError) as error:
            why = str(error).strip().partition("\n")[0]
            self._events.put(("say", f"its up cannot be reached any more: {why}"))
        self._events.put(("over", FAILED))
