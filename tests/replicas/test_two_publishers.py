"""A publisher whose old process lives on for seconds after its successor."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.services import service_of
from tests.support.state_pair import model
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Publishes the number of its run and a count again and again.
PUBLISHING = """
config_model = {{"required": {{"run": int}}}}
N = 0
def on_tick(to_send, config):
    global N
    N += 1
    to_send("state", "book", {{"run": config["run"], "n": N}})
connection_models = {{"in": {{"tick": {{"connection_type": "timer",
    "required_creation_arguments": {{"every_s": 0.05, "on_tick": on_tick}}}}}}}}
state_models = {{"out": {{"book": {{"state_type": "{kind}_update_out",
    "required_arguments": {{"run": int, "n": int}},
    "required_creation_arguments": {{"is_x_pub": True, "heartbeat_s": 0.2}}}}}}}}
"""

#: Prints the run of each value.
FOLLOWING = """
def on_book(args, states):
    print("run", states["book"]["run"], flush=True)
state_models = {"in": {"book": {"state_type": "full_update_in",
    "required_arguments": {"run": int, "n": int},
    "required_creation_arguments": {"is_x_sub": True, "heartbeat_s": 0.2, "on_book": on_book}}}}
"""


def addresses(folder: Path, name: str, side: str, of_book: dict[str, str]) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"states": {side: {"book": of_book}}}))
    return str(path)


@contextmanager
def bus(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a bus; gives where publishers and subscribers connect."""
    there = [f"ipc://{folder}/xsub", f"ipc://{folder}/xpub"]
    with Process("bus", "--xsub", there[0], "--xpub", there[1], cwd=folder) as process:
        process.wait_for_line("xpub")
        yield there[0], there[1]


def publishing(folder: Path, kind: str, run: int, xsub: str) -> Process:
    (folder / "book.py").write_text(PUBLISHING.format(kind=kind))
    bound = {"publisher": xsub}
    if kind == "delta":
        bound["replyer"] = f"ipc://{folder}/snapshots{run}"
    path = addresses(folder, f"run{run}", "out", bound)
    return Process("-s", "book.py", "-a", path, "--run", str(run), cwd=folder)


def following(folder: Path, xpub: str) -> Process:
    (folder / "follower.py").write_text(FOLLOWING)
    path = addresses(folder, "to", "in", {"subscriber": xpub})
    return Process("-s", "follower.py", "-a", path, cwd=folder)


def runs_of(process: Process) -> list[int]:
    return [int(line.split()[1]) for line in process.out if line.startswith("run ")]


def test_replicas_follow_the_newer_say_that_there_are_two_and_never_go_back(tmp_path: Path) -> None:
    with (
        bus(tmp_path) as (xsub, xpub),
        publishing(tmp_path, "full", 1, xsub) as old,
        following(tmp_path, xpub) as follower,
    ):
        follower.wait_for_line("run 1")
        with publishing(tmp_path, "full", 2, xsub) as new:
            left = {"run 2", "there are two publishers"}
            follower.wait_for_line(
                lambda line: (
                    left.difference_update(text for text in {*left} if text in line) or not left
                )
            )
            (told,) = (line for line in follower.err if "there are two publishers" in line)
            assert '"warning"' in told
            # the old one falls silent, and comes back with all that it has not said
            freeze(old.popen.pid)
            for _ in range(20):
                follower.wait_for_line("run 2")
            old.interrupt(signal.SIGCONT)
            for _ in range(20):
                follower.wait_for_line("run 2")
            old.interrupt(signal.SIGTERM)
            assert old.wait() == 0
            for _ in range(5):
                follower.wait_for_line("run 2")
            follower.interrupt(signal.SIGTERM)
            assert follower.wait() == 0
            new.interrupt(signal.SIGTERM)
            assert new.wait() == 0
    runs = runs_of(follower)
    assert runs == sorted(runs)


def test_a_replica_that_is_told_of_the_successor_never_goes_back_either(tmp_path: Path) -> None:
    """Of deltas the snapshots go past the bus, and the old one would answer for its own."""
    runs: list[int] = []
    book = model("delta_update_in", {"run": int, "n": int}, is_x_sub=True)
    book["optional_creation_arguments"]["on_book"] = lambda states: runs.append(
        states["book"]["run"]
    )
    source = ModuleType("follower")
    source.state_models = {"in": {"book": book}}  # type: ignore[attr-defined]
    with bus(tmp_path) as (xsub, xpub), publishing(tmp_path, "delta", 1, xsub) as old:
        old.wait_until_ready()

        def towards(run: int) -> dict[str, str]:
            return {"subscriber": xpub, "requester": f"ipc://{tmp_path}/snapshots{run}"}

        there = {"states": {"in": {"book": towards(1)}}}
        with service_of(source, addresses=there) as follower:
            until(lambda: 1 in runs)
            with publishing(tmp_path, "delta", 2, xsub) as new:
                new.wait_until_ready()
                follower.connect("states", "in", "book", towards(2))
                until(lambda: runs[-1] == 2)
                until(lambda: "two publishers" in str(follower.states.status("book").error))
                since = len(runs)
                until(lambda: len(runs) > since + 40)
                old.interrupt(signal.SIGTERM)
                assert old.wait() == 0
                since = len(runs)
                until(lambda: len(runs) > since + 5)
    assert runs == sorted(runs)
