"""`--fleet FILE` with every verb that has something to do with a fleet.

Two fleets have services of the same names: a verb means those of the fleet that is named, and in
a fleet's folder those of that one.
"""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import ANYWHERE, DOUBLING, SILENT, fleet_in, up, wait_until_ready
from tests.support.processes import Process
from tests.support.shell import ran_here
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.shell import Ran

pytestmark = pytest.mark.slow

FLEET = '[services.doubler]\nfile = "doubler.py"\nconfig = {{ instance = {number} }}\n'
#: What a doubler logs of each call.
DONE = "doubling"
SUBSCRIBING = """
def on_news(args):
    print("heard", args["text"], flush=True)
connection_models["in"]["news"] = {"connection_type": "subscriber",
    "required_arguments": {"text": str},
    "required_creation_arguments": {"is_binder": True, "on_news": on_news}}
"""


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Give the folders of two fleets that run."""
    folders = tuple(
        fleet_in(tmp_path / name, FLEET.format(number=number), doubler=DOUBLING + SUBSCRIBING)
        for number, name in ((1, "one"), (2, "two"))
    )
    with up(folders[0], *ANYWHERE) as one, up(folders[1], *ANYWHERE) as two:
        wait_until_ready(one, "doubler")
        wait_until_ready(two, "doubler")
        yield folders[0], folders[1]


def test_each_verb_means_the_fleet_that_is_named_or_that_of_the_folder(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    one, other = two

    def both(*argv: str) -> tuple[Ran, Ran]:
        """Run a verb in the folder of the first fleet, and elsewhere for the second."""
        here = ran_here(*argv, cwd=one)
        there = ran_here(*argv, "--fleet", str(other / "fleet.toml"), cwd=tmp_path)
        assert (here.status, there.status) == (0, 0), (argv, here.err, there.err)
        return here, there

    assert ran_here("stats", "doubler", cwd=tmp_path).status == 2  # it may be either

    replies = both("call", "doubler/double", "n=4")
    assert [reply.objects[0]["instance"] for reply in replies] == [1, 2]
    assert ran_here("call", "double", "n=4", "--json", cwd=one).objects[0]["instance"] == 1
    pids = [reply.objects[0]["pid"] for reply in replies]
    assert [info.objects[0]["pid"] for info in both("info", "doubler", "--json")] == pids
    assert [rows.objects[0]["pid"] for rows in both("ps", "--json")] == pids
    numbers = both("stats", "doubler", "--json")
    handled = [
        one.objects[0]["service"]["connections"]["in"]["double"]["handled"] for one in numbers
    ]
    assert handled == [2, 1]
    both("wait", "doubler")
    both("health", "doubler")
    both("loglevel", "doubler", "DEBUG")
    both("publish", "doubler/news", "text=hello")
    for folder in two:
        log = folder / "logs/doubler.log"
        until(lambda log=log: "heard hello" in log.read_text())
    written = (other / "logs/doubler.log").read_text().splitlines()
    id_ = next(line["workflow_id"] for line in map(json.loads, written) if line["event"] == DONE)
    _, traced = both_or_none("trace", id_, two, tmp_path)
    assert [line["event"] for line in traced.objects] == [DONE]


def both_or_none(verb: str, id_: str, two: tuple[Path, Path], elsewhere: Path) -> tuple[Ran, Ran]:
    here = ran_here(verb, id_, cwd=two[0])
    there = ran_here(verb, id_, "--fleet", str(two[1] / "fleet.toml"), cwd=elsewhere)
    assert (here.status, there.status) == (1, 0)
    return here, there


def test_what_shows_everything_shows_that_fleet_alone(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    named = ("--fleet", str(two[1] / "fleet.toml"))
    assert len(ran_here("top", "--json", cwd=tmp_path).objects) == 2
    assert len(ran_here("top", "--json", *named, cwd=tmp_path).objects) == 1
    assert len(ran_here("ps", "--json", *named, cwd=tmp_path).objects) == 1
    assert len(ran_here("ps", "--json", cwd=two[0]).objects) == 2
    with Process("web", "--http", "127.0.0.1:0", *named, cwd=tmp_path) as web:
        page = web.wait_for_line("web: ").partition("web: ")[2]
        with urllib.request.urlopen(f"{page}graph.svg", timeout=10) as answer:
            assert answer.read().decode().count(">doubler<") == 1
    assert ran_here("check", "--live", *named, cwd=tmp_path).status == 0
    assert ran_here("stop", "doubler", *named, cwd=tmp_path).status == 0
    assert ran_here("stop", "doubler", "nosuch", *named, cwd=tmp_path).status == 2
    assert [row["phase"] for row in ran_here("ps", "--json", cwd=two[0]).objects] == ["READY"]
    done = ran_here("call", "double", "n=1", *named, cwd=tmp_path)
    assert done.status == 3
    with Process("watch", "doubler/double", "-n", "1", "--json", cwd=two[0]) as watching:
        until(
            lambda: (
                ran_here("call", "double", "n=3", cwd=two[0]).status == 0
                and watching.popen.poll() is not None
            ),
            "a call that is watched",
            30.0,
        )
        assert watching.wait() == 0


def test_a_fleet_that_does_not_run_is_3_and_its_files_are_read_all_the_same(tmp_path: Path) -> None:
    folder = fleet_in(tmp_path / "there", FLEET.format(number=1), doubler=SILENT)
    named = ("--fleet", str(folder / "fleet.toml"))
    for verb in ("stats", "info", "health", "stop", "loglevel"):
        done = ran_here(verb, "doubler", *named, cwd=tmp_path)
        assert (done.status, "no up of" in done.err) == (3, True), (verb, done.err)
    schema = ran_here("schema", *named, cwd=tmp_path)
    assert schema.status == 0, schema.err
    assert "doubler.double" in json.loads(schema.out)["channels"]
    assert ran_here("schema", cwd=folder).out == schema.out
    assert "doubler" in ran_here("graph", *named, cwd=tmp_path).out
    assert ran_here("plan", *named, cwd=tmp_path).status == 0
    assert ran_here("check", *named, cwd=tmp_path).status == 0
    assert ran_here("logs", *named, cwd=tmp_path).status == 0
    assert ran_here("stats", "doubler", *named, "--at", "127.0.0.1:1", cwd=tmp_path).status == 2


@pytest.mark.parametrize("flags", [(), ("--in-process",)])
def test_a_relative_folder_of_sockets_is_that_of_where_up_was_typed(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    fleet_in(tmp_path / "one", FLEET.format(number=1), doubler=SILENT)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", folder.name)
    with Process(
        "up", "--fleet", f"{tmp_path}/one/fleet.toml", *flags, cwd=folder.parent
    ) as process:
        wait_until_ready(process, "doubler")
        reply = ran_here("call", "doubler/double", "n=2", cwd=folder.parent)
        process.interrupt()
        assert process.wait() == 0

    assert reply.status == 0, reply.err
    assert json.loads(reply.out)["n"] == 4
    assert not (tmp_path / "one" / folder.name).exists()
