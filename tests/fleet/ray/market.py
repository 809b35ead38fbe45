"""A fleet under load: one that asks and follows a state, and those that serve it."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.effort import IS_FULL
from tests.support.fleets import DOUBLING, fleet_in
from tests.support.processes import Process
from tests.support.ray_verbs import verbs_here
from tests.support.shell import Ran, ran

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ray_cluster import RayCluster

#: How long something may take on a busy cluster, in seconds; far more than it does.
PATIENCE_S = 60.0

FLEET = """
[services.doubler]
file = "doubler.py"
instances = 2
host = "far"
[services.board]
file = "board.py"
host = "far"
[services.asker]
file = "asker.py"
main = true
allow_inbound = true
ends_fleet = false
after = ["doubler", "board"]
"""

BOARD = """
def on_time(args, to_send, states):
    to_send("state", "board", {"count": states["board"].get("count", 0) + 1})
connection_models = {"in": {"time": {"connection_type": "timer",
    "required_creation_arguments": {"connection_function": on_time, "every_s": 0.1}}}}
state_models = {"out": {"board": {
    "state_type": "delta_update", "required_arguments": {"count": int}}}}
"""

#: Says who answers whenever that is another one, and each epoch of the state.
ASKER = """
import os
connection_models = {"out": {"double": {
    "connection_type": "requester",
    "required_arguments": {"n": int},
    "required_return_arguments": {"n": int, "instance": int, "pid": int},
    "optional_creation_arguments": {"timeout_s": 10.0, "retries": 3, "idempotent": True},
}}}
state_models = {"in": {"board": {
    "state_type": "delta_update", "required_arguments": {"count": int}}}}
def main(to_send, states, stopping):
    print("cwd", os.getcwd())
    n, seen, epoch = 0, set(), None
    while not stopping.wait(0.02):
        n += 1
        try:
            reply = to_send("connection", "double", {"n": n})
        except Exception as error:
            if not stopping.is_set():
                print("lost", n, type(error).__name__, error)
            continue
        who = reply["instance"], reply["pid"]
        if who not in seen:
            seen.add(who)
            print("answered by", *who)
        status = states.status("board")
        if status.phase == "LIVE" and status.epoch != epoch:
            print("older" if epoch and status.epoch < epoch else "epoch", status.epoch)
            epoch = status.epoch
    print("asked", n)
"""


def market_in(folder: Path, toml: str = FLEET) -> Path:
    """Write the fleet."""
    return fleet_in(folder, toml, doubler=DOUBLING, board=BOARD, asker=ASKER)


@contextmanager
def up_on_ray(cluster: RayCluster, folder: Path) -> Iterator[Process]:
    """Run `up --on ray` in a fleet's folder; nothing of it is left at the end."""
    flags = ("--on", "ray", "--ray-address", cluster.address)
    with Process("up", *flags, cwd=folder) as process:
        try:
            yield process
        finally:
            if process.popen.poll() is None:
                process.interrupt()
                process.wait(PATIENCE_S)


def asked(cluster: RayCluster, folder: Path, *argv: str) -> Ran:
    """Run a verb about a fleet on Ray."""
    if not IS_FULL:
        return verbs_here().ran(*argv, cwd=folder, **cluster.env)
    return ran(*argv, cwd=folder, patience_s=PATIENCE_S, **cluster.env)


def rows_of(cluster: RayCluster, folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `ps` shows, by instance."""
    return {row["service"]: row for row in asked(cluster, folder, "ps", "--json").objects}


def printed(process: Process, instance: str, begin: str, since: int = 0) -> dict[str, Any]:
    """Wait for a line of an instance whose event begins with something.

    :param since: how many lines had come when it could come first
    """
    found: dict[str, Any] = {}

    def is_it(line: str) -> bool:
        if not line.startswith("{"):
            return False
        found.clear()
        found.update(json.loads(line))
        return found["instance"] == instance and found["event"].startswith(begin)

    if not any(map(is_it, process.out[since:])):
        process.wait_for_line(is_it, PATIENCE_S)
    return found


def said(process: Process, words: str) -> str:
    """Wait for words of `up`."""
    return process.wait_for_line(lambda line: line.startswith(f"sf_actors: {words}"), PATIENCE_S)


def parent_of(pid: int) -> int:
    """Return the process that has started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_there(pid: int) -> bool:
    """Return whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
