"""A cluster of Ray with three nodes on this machine, in a process of its own.

Run as a program, this file is that process: it prints its address, and obeys lines on its standard
input.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

from tests.support.processes import ROOT

#: The nodes: the head, and two that services can select.
HEAD = "127.0.0.2"
FAR = ("127.0.0.3", "127.0.0.4")

#: A node counts as dead after five failed health checks, one a second.
SETTINGS = {
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
}


class RayCluster:
    """A cluster, until `close`."""

    def __init__(self) -> None:
        # not over standard output, which Ray uses
        ours, theirs = os.pipe()
        self._answers = os.fdopen(ours)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ray_cluster", str(theirs)],
            env={**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs,),
            text=True,
        )
        os.close(theirs)
        self.address: str = self._answer()["address"]

    @property
    def env(self) -> dict[str, str]:
        """The environment in which verbs find it."""
        return {"RAY_ADDRESS": self.address, "SF_ACTORS_ON": "ray"}

    def kill_node(self, ip: str) -> None:
        """Kill a node, as if its machine had died."""
        self._ask("kill", ip)

    def add_node(self, ip: str) -> None:
        """Add a node again."""
        self._ask("add", ip)

    def actors(self, fleet: str) -> list[str]:
        """Return the names of the actors of a fleet."""
        return list(self._ask("actors", f"sf_actors/{fleet}")["actors"])

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)
        self._answers.close()

    def _ask(self, verb: str, what: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps([verb, what]), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        return dict(json.loads(self._answers.readline()))


@cache
def cluster_here() -> RayCluster:
    """Return the one cluster of this process; it ends with the process."""
    cluster = RayCluster()
    atexit.register(cluster.close)
    return cluster


def main() -> None:
    """Run a cluster until standard input ends."""
    descriptor = int(sys.argv[1])
    # processes of the cluster must not inherit it
    os.set_inheritable(descriptor, False)
    answers = os.fdopen(descriptor, "w")
    import ray
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 80_000_000, "num_cpus": 1}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"node_ip_address": HEAD, "include_dashboard": False, **memory},
    )

    def add(ip: str) -> Any:
        return cluster.add_node(node_ip_address=ip, labels={"sf-host": "far"}, **memory)

    nodes = {ip: add(ip) for ip in FAR}
    ray.init(address=cluster.address, log_to_driver=False, logging_level="CRITICAL")
    print(json.dumps({"address": cluster.address}), file=answers, flush=True)
    for line in sys.stdin:
        verb, what = json.loads(line)
        actors: list[str] = []
        if verb == "kill":
            cluster.remove_node(nodes.pop(what), allow_graceful=False)
        elif verb == "add":
            nodes[what] = add(what)
        else:
            there = ray.util.list_named_actors(all_namespaces=True)
            actors = [one["name"] for one in there if one["namespace"] == what]
        print(json.dumps({"done": verb, "actors": actors}), file=answers, flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
