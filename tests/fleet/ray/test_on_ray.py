"""Fleets on a cluster of Ray: the same as on one machine, and what that has not."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sf_actors.fleet.ray.slot import KEYS_PREFIX
from tests.fleet.ray.market import (
    PATIENCE_S,
    asked,
    is_there,
    market_in,
    parent_of,
    printed,
    rows_of,
    said,
    up_on_ray,
)
from tests.support.fleets import ASKING, DOUBLING, fleet_in, wait_until_ready
from tests.support.freezing import freeze
from tests.support.ray_cluster import FAR
from tests.support.shell import ran
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Process
    from tests.support.ray_cluster import RayCluster

pytestmark = pytest.mark.slow

#: How long all tests of this file may take, in seconds.
BOUND_S = 180.0

SMALL = """
[fleet]
keys = "keys"
[services.doubler]
file = "doubler.py"
[services.asker]
file = "asker.py"
main = true
after = ["doubler"]
config = { status = 7 }
"""


ALONE = '[services.doubler]\nfile = "doubler.py"\n'


@pytest.fixture(scope="module")
def began() -> float:
    """When the first test of this file began."""
    return monotonic()


@pytest.fixture(autouse=True)
def within_the_bound(began: float) -> None:
    """Bound what a slow machine spends on clusters: what is left out is told."""
    if monotonic() - began > BOUND_S:
        pytest.skip(f"the {BOUND_S:g} s that tests on Ray have are over")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a fleet under load."""
    return market_in(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def running(cluster: RayCluster, folder: Path) -> Iterator[Process]:
    """Run it for the tests of this file; what it prints is for all of them, in order."""
    with up_on_ray(cluster, folder) as process:
        everyone = ("doubler#1", "doubler#2", "board", "asker")
        wait_until_ready(process, *everyone, patience_s=PATIENCE_S)
        yield process


def keys_on_nodes() -> Iterator[Path]:
    """Give the folders of keys on the nodes, which are all on this machine."""
    return Path(tempfile.gettempdir()).glob(f"{KEYS_PREFIX}*")


def test_a_main_that_ends_the_fleet_gives_it_its_exit_status(
    cluster: RayCluster, tmp_path: Path
) -> None:
    fleet_in(tmp_path, SMALL, doubler=DOUBLING, asker=ASKING)
    assert ran("keys", "fleet", cwd=tmp_path, patience_s=PATIENCE_S).status == 0
    before = set(keys_on_nodes())
    with up_on_ray(cluster, tmp_path) as process:
        assert process.wait(PATIENCE_S) == 7

    lines = [json.loads(line) for line in process.out]
    events = [line["event"] for line in lines if line.get("stream") == "stdout"]
    assert events == [f"doubled {n} {2 * n} 1" for n in range(4)]
    assert {line["instance"] for line in lines} == {"doubler", "asker"}
    assert "sf_actors: asker failed: ended with 7" in process.err
    assert not cluster.actors(tmp_path.name)
    assert set(keys_on_nodes()) <= before


def test_instances_run_in_what_has_travelled_on_the_nodes_that_they_ask_for(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    there = printed(running, "asker", "cwd")["event"].removeprefix("cwd ")
    assert there != str(folder)
    bound = [json.loads(line) for line in running.out if '"event": "bound"' in line]
    hosts = {one["instance"]: one["address"].split(":")[1].strip("/") for one in bound}
    assert hosts.keys() == {"doubler#1", "doubler#2", "board"}
    assert set(hosts.values()) <= set(FAR)
    printed(running, "asker", "answered by 1")
    printed(running, "asker", "answered by 2")
    printed(running, "asker", "epoch")


@pytest.mark.usefixtures("running")
def test_ps_shows_all_and_logs_merges_their_lines(cluster: RayCluster, folder: Path) -> None:
    rows = rows_of(cluster, folder)
    assert {name: row["phase"] for name, row in rows.items()} == dict.fromkeys(
        ("doubler#1", "doubler#2", "board", "asker"), "READY"
    )
    assert all(is_there(row["pid"]) for row in rows.values())
    lines = asked(cluster, folder, "logs", "--json", "--grep", "ready").objects
    assert {line["instance"] for line in lines} == set(rows)
    times = [line["timestamp"] for line in lines]
    assert times == sorted(times)


def test_a_second_up_says_that_it_runs(cluster: RayCluster, folder: Path, running: Process) -> None:
    done = asked(cluster, folder, "up")

    assert (done.status, running.popen.poll()) == (1, None)
    assert "runs already" in done.err


def test_scaled_instances_are_asked_and_then_left(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    assert asked(cluster, folder, "scale", "doubler", "3").status == 0
    printed(running, "asker", "answered by 3")
    done = asked(cluster, folder, "scale", "doubler", "2")

    assert (done.status, done.err) == (0, "sf_actors: doubler#3 has stopped\n")
    assert "doubler#3" not in rows_of(cluster, folder)
    until(lambda: "doubler#3" not in cluster.actors(folder.name))


def test_a_restart_brings_what_the_folder_is_now(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    path = folder / "doubler.py"
    path.write_text(path.read_text().replace('"doubling"', '"doubling anew"'))
    done = asked(cluster, folder, "restart", "doubler")

    assert done.status == 0, done.err
    printed(running, "doubler#1", "doubling anew")
    printed(running, "doubler#2", "doubling anew")


def test_a_rolling_restart_has_the_new_ones_beside_the_old(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    path = folder / "doubler.py"
    path.write_text(path.read_text().replace('"doubling anew"', '"doubling once more"'))
    done = asked(cluster, folder, "restart", "--rolling", "doubler")

    assert done.status == 0, done.err
    assert done.err.count("the new one is READY") == 2
    printed(running, "doubler#1", "doubling once more")
    printed(running, "doubler#2", "doubling once more")


def test_what_ray_restarts_on_its_node_tells_its_peers_where_it_is(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    pid, mark = rows_of(cluster, folder)["doubler#1"]["pid"], len(running.out)
    os.kill(parent_of(pid), signal.SIGKILL)
    said(running, "doubler#1: ended by SIGKILL; restarts in 0.2 s")
    said(running, "doubler#1: READY")
    printed(running, "asker", "answered by 1", mark)
    until(lambda: not is_there(pid), patience_s=10.0)


def test_what_follows_a_state_follows_its_publisher_to_its_next_process(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    pid, mark = rows_of(cluster, folder)["board"]["pid"], len(running.out)
    os.kill(parent_of(pid), signal.SIGKILL)
    said(running, "board: READY")
    printed(running, "asker", "epoch", mark)


def test_a_fleet_goes_on_without_the_actor_that_supervises_it_until_that_is_back(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    del running
    before = rows_of(cluster, folder)
    words = asked(cluster, folder, "up").err
    os.kill(int(words.rpartition("pid ")[2]), signal.SIGKILL)
    after = until(
        lambda: (
            (rows := rows_of(cluster, folder))
            and all(row["phase"] == "READY" for row in rows.values())
            and rows
        ),
        patience_s=PATIENCE_S,
    )

    assert {name: row["pid"] for name, row in after.items()} == {
        name: row["pid"] for name, row in before.items()
    }


def test_the_death_of_a_node_moves_its_instances_to_another_one(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    rows = rows_of(cluster, folder)
    bound = asked(cluster, folder, "logs", "--json", "--grep", '"bound"').objects
    host = {one["instance"]: one["address"].split(":")[1].strip("/") for one in bound}
    dying = host["board"]
    theirs = [name for name in ("doubler#1", "doubler#2", "board") if host[name] == dying]
    mark = len(running.out)
    cluster.kill_node(dying)
    began = monotonic()
    until(lambda: not any(is_there(rows[name]["pid"]) for name in theirs), patience_s=30.0)
    assert monotonic() - began < 8.0
    printed(running, "board", "ready", mark)
    printed(running, "asker", "epoch", mark)
    assert not any("older" in line for line in running.out)
    cluster.add_node(dying)


def test_ctrl_c_stops_the_fleet_and_nothing_is_left(
    cluster: RayCluster, folder: Path, running: Process
) -> None:
    rows = rows_of(cluster, folder)
    running.interrupt()

    assert running.wait(PATIENCE_S) == 0, running.err[-5:]
    assert not cluster.actors(folder.name)
    assert not any(is_there(row["pid"]) for row in rows.values() if row["pid"])
    assert not [line for line in running.out if '"event": "lost' in line]


def test_a_detached_fleet_outlives_who_started_it_until_down(
    cluster: RayCluster, tmp_path: Path
) -> None:
    fleet_in(tmp_path, ALONE, doubler=DOUBLING)
    assert asked(cluster, tmp_path, "up", "-d").status == 0
    assert rows_of(cluster, tmp_path)["doubler"]["phase"] == "READY"
    assert asked(cluster, tmp_path, "down").status == 0

    assert not cluster.actors(tmp_path.name)
    for verb in ("ps", "down", "logs", "restart"):
        done = asked(cluster, tmp_path, verb)
        assert (done.status, done.err.count("\n")) == (3, 1), done.err


def test_a_detached_fleet_that_cannot_be_ready_is_stopped_again(
    cluster: RayCluster, tmp_path: Path
) -> None:
    toml = ALONE + '[services.broken]\nfile = "broken.py"\n'
    broken = "connection_models = {}\ndef init_function():\n    raise OSError('no disk')\n"
    fleet_in(tmp_path, toml, doubler=DOUBLING, broken=broken)
    done = asked(cluster, tmp_path, "up", "-d")

    assert done.status == 1
    assert "broken: ended with 2: it could not start, and is not tried again" in done.err
    assert "OSError: no disk" in done.err
    assert not cluster.actors(tmp_path.name)


def test_what_does_not_end_in_time_is_killed_and_down_says_so(
    cluster: RayCluster, tmp_path: Path
) -> None:
    fleet_in(tmp_path, ALONE + "stop_timeout_s = 0.3\n", doubler=DOUBLING)
    with up_on_ray(cluster, tmp_path) as process:
        said(process, "doubler: READY")
        pid = rows_of(cluster, tmp_path)["doubler"]["pid"]
        freeze(pid)
        assert asked(cluster, tmp_path, "down").status == 1
        assert process.wait(PATIENCE_S) == 1
    assert any("killed" in line for line in process.err)
    until(lambda: not is_there(pid))


def test_a_host_that_no_node_has_is_an_error(cluster: RayCluster, tmp_path: Path) -> None:
    fleet_in(tmp_path, ALONE + 'host = "moon"\n', doubler=DOUBLING)
    done = asked(cluster, tmp_path, "up")

    assert done.status == 1
    assert "doubler: expected a node with the label sf-host=moon" in done.err


def test_no_cluster_is_exit_3(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    fleet_in(tmp_path, ALONE, doubler=DOUBLING)
    done = ran("up", "--on", "ray", "--ray-address", "127.0.0.1:1", cwd=tmp_path)

    assert (done.status, done.err.count("\n")) == (3, 1)
