"""The command line as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sf_actors.cli import command as cli
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Writes `svc.py` and runs the command line with its flags: exit status, output, errors.
    Run = Callable[..., tuple[int, list[str], list[str]]]

pytestmark = pytest.mark.slow


# as a process


def test_the_module_can_be_run(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("import sys\ndef main(): print('mine'); sys.exit(7)\n")
    with Process("-s", "svc.py", "-m", "-cl", "NONE", cwd=tmp_path) as process:
        assert process.wait() == 7
        assert (process.out, process.err) == (["mine"], [])


def test_garbage_of_user_code_is_collected_but_what_was_imported_is_not_looked_at(
    tmp_path: Path,
) -> None:
    (tmp_path / "svc.py").write_text(
        "import gc\nprint(gc.isenabled(), gc.get_freeze_count() > 10_000)\ndef main(): pass\n"
    )
    with Process("-s", "svc.py", "-m", "-cl", "NONE", cwd=tmp_path) as process:
        assert process.wait() == 0
        assert process.out == ["True True"]


def test_standard_input_belongs_to_the_user(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("def main(): print(input()[::-1])\n")
    done = subprocess.run(
        [sys.executable, "-m", "sf_actors", "-s", str(tmp_path / "svc.py"), "-m", "-cl", "NONE"],
        input="drawer\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("reward\n", "")


def test_the_console_script_is_the_same_command_line(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        "import sys\ndef main(config): print(config['n']); sys.exit(7)\n"
    )
    script = Path(sysconfig.get_path("scripts")) / "sf_actors"
    assert script.is_file(), "install the project with pip first: pip install -e '.[test]'"
    done = subprocess.run(
        [script, "-s", "svc.py", "-m", "-cl", "NONE", "--n", "5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "5\n", "")


STUBBORN = """
import threading
def stay():
    print('inside')
    while True:
        try: threading.Event().wait()
        except BaseException: pass
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("stay()", "the service file"),
        ("def setup_config(): stay()", "the service file"),
        ("def init_function(): stay()", "init_function"),
    ],
)
def test_user_code_that_is_stuck_before_ready_is_one_line_and_exit_status_1(
    tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "svc.py").write_text(STUBBORN + text + "\n")
    flags = ("-s", "svc.py", "-cl", "NONE", "--stop_timeout_s", "0.3")
    with Process(*flags, cwd=tmp_path) as process:
        process.wait_for_line("inside")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 1
        [line] = process.err
        assert line.startswith("sf_actors: svc: still running 0.3 s after the stop began")
        assert line.endswith(f"left behind: {named}")


def test_an_interrupt_before_there_is_a_service_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    with pytest.raises(SystemExit) as caught:
        cli.run()
    assert caught.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err == ""


def test_an_exit_of_main_with_a_text_is_neither_a_line_nor_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("def main(): raise SystemExit('no\\nmoney')\n")

    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        status = process.wait()

    text = [line for line in process.err if not line.startswith("{")]
    lines = [json.loads(line) for line in process.err if line not in text]
    assert (status, process.out, text) == (1, [], ["no", "money"])
    assert [line["event"] for line in lines] == ["ready", "stopped"]


def test_threads_that_keep_the_process_are_named_by_one_warning(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import pathlib, threading
def main():
    threading.Thread(target=pathlib.Path('gate').read_text, name='reader').start()
"""
    )
    os.mkfifo(tmp_path / "gate")
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        line = process.wait_for_line(lambda line: "waits for threads" in line)
        (tmp_path / "gate").write_text("go on")
        assert process.wait() == 0
    told = json.loads(line)
    assert (told["level"], told["threads"]) == ("warning", ["reader"])
    assert sum("waits for threads" in line for line in process.err) == 1
