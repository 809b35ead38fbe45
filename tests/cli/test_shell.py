"""The shell: verbs as the first argument, exit statuses, help, closed pipes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sf_actors.cli import command
from sf_actors.cli.shell import main as shell_main
from sf_actors.cli.verb_table import VERBS
from tests.support.processes import ROOT
from tests.support.shell import echoing, looked_at, ran

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

MODULES = [verb for verb in VERBS if verb.module]


def test_without_anything_the_verbs_are_listed(shell: Shell) -> None:
    found = shell()

    assert found.status == 2
    assert found.out == ""
    assert all(f"  {verb.name} " in found.err for verb in VERBS if verb.usage)


def test_a_verb_that_is_none_is_told_with_the_nearest(shell: Shell) -> None:
    assert shell("wacth", "x") == (
        2,
        "",
        "sf_actors: expected a verb or a flag, got 'wacth'; did you mean 'watch'?\n",
    )


def test_a_misspelled_command_of_keys_gets_the_nearest_of_both(shell: Shell) -> None:
    assert shell("keys", "fleett") == (
        2,
        "",
        "sf_actors: keys: expected new or fleet, got 'fleett'; did you mean 'fleet'?\n",
    )


@pytest.mark.parametrize("verb", MODULES, ids=lambda verb: verb.name)
def test_each_verb_explains_itself_with_an_example(
    verb: object, shell: Shell, capfd: pytest.CaptureFixture[str]
) -> None:
    name = verb.name  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as raised:
        shell(name, "-h")

    assert raised.value.code == 0
    assert f"example: sf_actors {name}" in capfd.readouterr().out


@pytest.mark.parametrize("verb", MODULES, ids=lambda verb: verb.name)
def test_each_verb_has_a_module_that_runs_it(verb: object) -> None:
    assert callable(import_module(verb.module).run)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "argv",
    [
        ["ps", "--nosuch"],
        ["call"],
        ["call", "x", "--timeout", "soon"],
        ["wait", "x", "--for", "rady"],
        ["loglevel", "x", "LOUD"],
        ["watch", "x", "--value", "--rate"],
        ["watch", "x", "-n", "0"],
        ["call", "x", "--file", "svc.py"],
        ["publish", "x", "--file", "svc.py"],
        ["stats", "a/b"],
        ["ps", "--keys", "."],
        ["ps", "--at", "nowhere"],
    ],
)
def test_what_cannot_be_understood_is_exit_status_2_in_one_line(
    shell: Shell, argv: list[str]
) -> None:
    found = shell(*argv)

    assert found.status == 2
    assert found.out == ""
    assert found.err.startswith("sf_actors: ")
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["stats", "x"],
        ["info", "x"],
        ["call", "x"],
        ["publish", "x/y"],
        ["stop", "x"],
        ["health", "x"],
    ],
)
def test_what_does_not_run_is_exit_status_3(shell: Shell, argv: list[str]) -> None:
    found = shell(*argv)

    assert found.status == 3
    assert found.err.startswith("sf_actors: expected a ")


def test_an_inspector_that_refuses_the_connection_is_exit_status_3(shell: Shell) -> None:
    found = shell("ps", "--at", "tcp://127.0.0.1:1")

    assert found == (3, "", "sf_actors: --at tcp://127.0.0.1:1: Connection refused\n")


def test_control_characters_of_an_argument_are_shown_escaped(shell: Shell) -> None:
    assert shell("stats", "a\x1b[2J").err == (
        "sf_actors: expected a service that runs, got 'a\\x1b[2J'\n"
    )


@pytest.mark.slow
def test_a_closed_pipe_ends_it_without_a_word() -> None:
    with looked_at(echoing()):
        command = f"{sys.executable} -m sf_actors stats echo_service -w --json | head -n 1"
        done = subprocess.run(
            ["/bin/bash", "-c", f"set -o pipefail; {command}"],
            capture_output=True,
            text=True,
            timeout=30,
            env=None,
            cwd=ROOT,
            check=False,
        )

    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
def test_an_encoding_that_lacks_a_character_ends_nothing() -> None:
    with looked_at(echoing("désk")):
        as_text = ran("ps", PYTHONIOENCODING="ascii")
        as_json = ran("ps", "--json", PYTHONIOENCODING="ascii")

    assert as_text.status == as_json.status == 0
    assert "d\\xe9sk" in as_text.out
    assert as_json.objects[0]["service"] == "désk"


@pytest.mark.slow
@pytest.mark.parametrize("argv", [("ps", "-h"), ("-h",), ("--version",)])
def test_help_that_finds_no_room_or_no_reader_ends_as_other_output(argv: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "sf_actors", *argv]
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("w") as full, os.fdopen(writing, "w") as unread:
        ends = [
            subprocess.run(
                command, stdout=out, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False
            )
            for out in (full, unread)
        ]

    assert [(end.returncode, end.stderr) for end in ends] == [
        (1, "sf_actors: No space left on device\n"),
        (0, ""),
    ]


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line() -> None:
    with looked_at(echoing("desk")), Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sf_actors", "ps"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, "sf_actors: No space left on device\n")


@pytest.mark.slow
def test_the_package_is_imported_without_what_a_verb_does_not_need() -> None:
    asked = "import sys, sf_actors.cli.shell, sf_actors.cli.verbs.ps; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())

    assert "zmq" in loaded
    assert not loaded & {"structlog", "pykka", "asyncio", "rich", "sf_actors.service", "sqlite3"}


@pytest.mark.slow
def test_a_service_is_run_as_ever() -> None:
    found = ran("-s", "nosuch.py")

    assert found.status == 2
    assert "no service file" in found.err


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("missing", "argv"), [("rich.live", ["top"]), ("watchfiles", ["-s", "svc.py", "--reload"])]
)
def test_what_lacks_its_extra_says_which(
    missing: str, argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    monkeypatch.setitem(sys.modules, missing, None)
    for module in ("live", "reload", "watched_files"):
        monkeypatch.delitem(sys.modules, f"sf_actors.cli.{module}", raising=False)
    for name, stream in (("stdin", Terminal()), ("stdout", Terminal()), ("stderr", told)):
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setenv("TERM", "xterm")
    main = command.main if argv[0].startswith("-") else shell_main
    status = main(argv)

    assert status == 2
    assert told.getvalue().count("\n") == 1
    assert "pip install 'sf_actors[cli]'" in told.getvalue()
