"""The requests of verbs to the control actor of a fleet on Ray."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import PS_KEYS
from sf_actors.cli.fleet_check import checked_fleet
from sf_actors.cli.fleets import fleet_of
from sf_actors.cli.ray_flags import cluster_of
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.cli.up_on_ray import design_of, travelling
from sf_actors.fleet.ray.log_files import Mirror
from sf_actors.fleet.ray.package import require_inside

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator


def down(arguments: argparse.Namespace) -> int:
    """Stop the fleet, and wait until none of its actors is left."""
    with cluster_of(arguments) as cluster:
        answer = cluster.required_control().ask(report, verb="down")
        left = cluster.wait_gone()
    if left:
        report(f"still there: {', '.join(left)}")
        return FAILED
    return int(answer.get("status", FAILED))


def scale(arguments: argparse.Namespace, count: int) -> int:
    """Run `count` instances of a service."""
    with cluster_of(arguments) as cluster:
        control = cluster.required_control()
        answer = control.ask(report, verb="scale", service=arguments.service, count=count)
    return int(answer.get("status", FAILED))


def restart(arguments: argparse.Namespace) -> int:
    """Check the local fleet file, and restart the fleet from it."""
    fleet = fleet_of(arguments)
    require_inside(fleet)
    with cluster_of(arguments, fleet=fleet) as cluster:
        cluster.required_control()
    found = checked_fleet(fleet, report, in_process=False)
    if found is None:
        return FAILED
    with travelling(fleet, arguments) as cluster:
        cluster.require_hosts()
        answer = cluster.required_control().ask(
            report,
            verb="restart",
            names=arguments.names,
            rolling=arguments.rolling,
            design=design_of(fleet, found, cluster),
        )
    return int(answer.get("status", FAILED))


def rows_of(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of `ps`, one for each instance of the fleet."""
    with cluster_of(arguments) as cluster:
        answer = cluster.required_control().ask(report, verb="ps")
    return [
        {**dict.fromkeys(PS_KEYS), **row, "pid": row["pid"] or None}
        for row in answer.get("services", ())
    ]


@contextmanager
def log_folder(arguments: argparse.Namespace) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yield a folder with copies of the fleet's log files, and a function that updates them."""
    with (
        cluster_of(arguments) as cluster,
        TemporaryDirectory(prefix="sf-logs-") as folder,
    ):
        mirror = Mirror(Path(folder), cluster.required_control().log_pieces)
        mirror.update()
        yield Path(folder), mirror.update
