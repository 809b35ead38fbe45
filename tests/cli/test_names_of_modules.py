"""Service files named like modules of Python run in all placements as by `-s`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import QUIET, assert_nothing_is_left, fleet_in
from tests.support.processes import ROOT, Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Modules that the interpreter or this package imports early.
NAMES = ("queue", "random", "signal")

#: Modules that this package, or what it needs, imports when a service is there already.
LATER = ("asyncio", "hashlib", "locale", "sqlite3", "structlog")

#: A service that makes all of them needed: a logger, a coroutine, a cache of replies, a store.
NEEDY = """
from sf_actors import get_logger
print("executed")
async def on_ask(args):
    get_logger().info("asked")
    return args
ASK = {"required_arguments": {"n": int}, "required_return_arguments": {"n": int}}
connection_models = {
    "in": {"ask": {**ASK, "connection_type": "replyer", "optional_creation_arguments": {
        "on_ask": on_ask, "deduplicate": True}}},
    "out": {"client": {**ASK, "connection_type": "requester"}},
}
state_models = {"out": {"book": {
    "state_type": "delta_update_out", "required_arguments": {"n": int},
    "optional_creation_arguments": {"store": "book.db"}}}}
allow_inbound = True
def main(to_send):
    to_send("book", to_send("client", {"n": 1}))
    print("answered")
"""

#: A service that has a line, and an external target in a file beside it.
REACHES = """
from importlib import import_module
connection_models = {{"out": {{"mail": {{"connection_type": "external_target",
    "required_creation_arguments": {{"target": "email.say"}}}}}}}}
def main(to_send):
    {line}
"""

ADDRESSES = """{
    "connections": {
        "in": {"ask": {"replyer": "inproc://ask"}},
        "out": {"client": {"requester": "inproc://ask"}}
    },
    "states": {"out": {"book": {"publisher": "ipc://book", "replyer": "inproc://r"}}}
}"""

FLEET = "".join(f'[services.{name}]\nfile = "{name}.py"\n' for name in NAMES)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Give the folder of a fleet whose services are named like modules of Python."""
    return fleet_in(tmp_path / "fleet", FLEET, **dict.fromkeys(NAMES, QUIET))


def test_check_finds_nothing_in_them(fleet: Path) -> None:
    with Process("check", cwd=fleet) as process:
        assert process.wait() == 0, process.out
    assert process.err == ["sf_actors: nothing is wrong"]


def test_they_run_in_processes_in_the_background(fleet: Path) -> None:
    with Process("up", "-d", cwd=fleet) as process:
        assert process.wait() == 0, process.err
    with Process("down", cwd=fleet) as down:
        assert down.wait() == 0
    assert_nothing_is_left(fleet)
    assert sorted(process.err) == [f"sf_actors: {name}: READY" for name in NAMES]


@pytest.mark.parametrize("start", [("-m", "sf_actors"), ("-msf_actors",), ("-Bm", "sf_actors")])
@pytest.mark.parametrize("name", NAMES)
def test_one_runs_as_it_is_typed(tmp_path: Path, name: str, start: tuple[str, ...]) -> None:
    (tmp_path / f"{name}.py").write_text("import beside\ndef main():\n    print(beside.WORD)\n")
    (tmp_path / "beside.py").write_text("WORD = 'found'\n")
    with Process(*start, "-s", f"{name}.py", "-m", module=None, cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
    assert "found" in process.out


@pytest.mark.parametrize("name", LATER)
def test_one_is_not_taken_for_what_is_imported_later(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(NEEDY)
    (tmp_path / "addresses.json").write_text(ADDRESSES)
    with Process("-s", f"{name}.py", "-a", "addresses.json", "-m", cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
    assert process.out == ["executed", "answered"]


def test_a_service_still_imports_its_own_module_of_such_a_name(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("import calendar\ndef main():\n    print(calendar.WORD)\n")
    (tmp_path / "calendar.py").write_text("WORD = 'own'\n")
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
    assert process.out == ["own"]


@pytest.mark.parametrize(
    "line",
    [
        'import_module("email").say()',
        '__import__("email").say()',
        'to_send("mail", {})',
    ],
)
def test_a_service_reaches_its_own_module_of_such_a_name_by_a_text(
    line: str, tmp_path: Path
) -> None:
    (tmp_path / "svc.py").write_text(REACHES.format(line=line))
    (tmp_path / "email.py").write_text("def say(args=None):\n    print('own')\n")
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
    assert process.out == ["own"]


def test_one_that_python_was_built_without_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lzma.py").write_text("raise AssertionError('not imported')\n")
    (tmp_path / "svc.py").write_text("def main():\n    pass\n")
    (tmp_path / "site").mkdir()
    without = "import sys\nsys.modules['_lzma'] = None\nsys.modules.pop('lzma', None)\n"
    (tmp_path / "site" / "sitecustomize.py").write_text(without)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    with Process("-s", "svc.py", "-m", cwd=tmp_path, env={"PYTHONPATH": path}) as process:
        assert process.wait() == 0, process.err


def test_one_runs_with_reload(tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("def main(stopping):\n    stopping.wait(60)\n")
    with Process("-s", "signal.py", "-m", "--reload", cwd=tmp_path) as process:
        process.wait_until_ready()
        process.interrupt()
        assert process.wait() == 0
