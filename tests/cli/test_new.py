"""`new`: a first service, its test and its address, which run and pass as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT, Process
from tests.support.shell import ran_here

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written() -> dict[str, str]:
    return {path.name: path.read_text() for path in Path().iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "name"), [("greeter", "greeter"), ("gro\u0308\u00dfer", "größer"), ("问候", "问候")]
)
def test_what_it_writes_runs_and_its_test_passes(tmp_path: Path, given: str, name: str) -> None:
    assert ran_here("new", given, cwd=tmp_path).status == 0
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    with Process("-s", f"{name}.py", "-a", "addresses.json", cwd=tmp_path) as process:
        process.wait_until_ready()
        asked = ran_here("call", name, "name=world", cwd=tmp_path)

    assert "1 passed" in tested.stdout, tested.stdout
    assert asked == (0, '{"text": "Hello world!"}\n', "")


@pytest.mark.parametrize("there", ["greeter.py", "test_greeter.py"])
def test_nothing_is_overwritten_nor_half_written(shell: Shell, there: str) -> None:
    Path(there).write_text("mine")
    found = shell("new", "greeter")

    assert found.status == 1
    assert f"{there}: there already, nothing was written" in found.err
    assert written() == {there: "mine"}


def test_addresses_of_others_stay_and_its_own_is_beside_them(shell: Shell) -> None:
    before = {"connections": {"in": {"shop": "127.0.0.1:27001"}}, "states": {"in": {}}}
    Path("addresses.json").write_text(json.dumps(before))
    shell("new", "greeter")

    assert json.loads(Path("addresses.json").read_text()) == {
        "connections": {
            "in": {"shop": "127.0.0.1:27001", "greeter": "127.0.0.1:27002"},
            "out": {"greeter": "127.0.0.1:27002"},
        },
        "states": {"in": {}},
    }
    assert shell("new", "shop").status == 1


@pytest.mark.parametrize("text", ["[]", "{", '{"connections": 1}', '{"connections": {"in": []}}'])
def test_a_file_that_holds_no_addresses_is_left_alone(shell: Shell, text: str) -> None:
    Path("addresses.json").write_text(text)

    assert shell("new", "greeter").status == 2
    assert written() == {"addresses.json": text}


@pytest.mark.parametrize("name", ["2", "a-b", "../x", "a b", "class", "json", "sf_actors", "€", ""])
def test_a_name_that_could_not_be_imported_is_refused(shell: Shell, name: str) -> None:
    assert shell("new", name).status == 2
    assert written() == {}
