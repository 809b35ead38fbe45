"""The flags that direct a verb to a fleet on Ray, and the cluster that they name."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sf_actors.cli.fleets import fleet_of
from sf_actors.errors import UsageError
from sf_actors.wording import nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.ray.cluster import Cluster

#: The environment variable that replaces `--on`.
VARIABLE: Final = "SF_ACTORS_ON"
_RAY: Final = "ray"


def add_on(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `is_on_ray` and `cluster_of` read."""
    parser.add_argument(
        "--on", metavar="ray", help=f"the fleet is on a cluster of Ray (default ${VARIABLE})"
    )
    parser.add_argument(
        "--ray-address",
        metavar="HOST:PORT",
        help="with --on ray: the cluster (default the one that runs here)",
    )


def is_on_ray(arguments: argparse.Namespace) -> bool:
    """Return True if a verb is about a fleet on Ray.

    :raises UsageError: another engine is named, or Ray is not installed
    """
    flag, given = "--on", arguments.on
    if given is None:
        flag, given = VARIABLE, os.environ.get(VARIABLE) or None
    if given is None:
        if arguments.ray_address is not None:
            raise UsageError("--ray-address: expected --on ray beside it, got none")
        return False
    if given != _RAY:
        raise UsageError(f"{flag}: expected {_RAY}, got {given!r}{nearest(given, [_RAY])}")
    from importlib.util import find_spec  # noqa: PLC0415 - seldom used

    if find_spec(_RAY) is None:
        raise UsageError(f"{flag} ray needs the extra ray: pip install 'sf_actors[ray]'")
    return True


@contextmanager
def cluster_of(
    arguments: argparse.Namespace, *, fleet: Fleet | None = None, package: Path | None = None
) -> Iterator[Cluster]:
    """Yield the cluster of a verb's fleet.

    :param package: a zip file to send to the cluster
    :raises FleetError: the fleet's file cannot be read
    :raises TargetError: there is no cluster
    """
    from sf_actors.fleet.ray.cluster import Cluster  # noqa: PLC0415 - needs the extra

    with Cluster(fleet or fleet_of(arguments), arguments.ray_address, package) as cluster:
        yield cluster
