"""Where the fleet of the conformance test runs; a further placement is one more class."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.fleets import assert_nothing_is_left, up
from tests.support.processes import Process
from tests.support.ray_cluster import cluster_here

if TYPE_CHECKING:
    from pathlib import Path

RAY = "ray"

#: How long the fleet may take from its check to its end, in seconds; far more than it takes.
PATIENCE_S = 240.0


@dataclass(frozen=True)
class Outcome:
    """What came of a fleet.

    :param status: the exit status of what ran it
    :param lines: those of all its instances, each with `instance`
    :param words: what was said beside them, line by line
    """

    status: int
    lines: list[dict[str, Any]]
    words: list[str]


class Placement(Protocol):
    """Somewhere to run a fleet."""

    def run(self, folder: Path) -> Outcome:
        """Run the fleet in a folder to its end, and leave nothing of it."""


@dataclass(frozen=True)
class OnThisMachine:
    """`up`, with flags."""

    flags: tuple[str, ...] = ()

    def run(self, folder: Path) -> Outcome:
        with up(folder, *self.flags) as process:
            status = process.wait(PATIENCE_S)
        assert_nothing_is_left(folder)
        return Outcome(status, [json.loads(line) for line in process.out], process.err)


class OnRay:
    """`up --on ray`, on the three nodes of the one cluster of this process."""

    def run(self, folder: Path) -> Outcome:
        cluster = cluster_here()
        flags = ("--on", "ray", "--ray-address", cluster.address)
        with Process("up", *flags, cwd=folder) as process:
            status = process.wait(PATIENCE_S)
        assert not cluster.actors("conformance")
        return Outcome(status, [json.loads(line) for line in process.out], process.err)


PLACEMENTS: dict[str, Placement] = {
    "processes": OnThisMachine(),
    "one process": OnThisMachine(("--in-process",)),
    RAY: OnRay(),
}
