"""Logs of running services: whose a line is, where it goes, and the workflow id on its way."""

from __future__ import annotations

import json
import logging
import os
import pty
import queue
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from sf_actors import Service, UsageError, get_logger
from sf_actors.testing import module_of, running
from tests.log.lines import read
from tests.support.processes import ROOT, Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.slow

WAIT_S = 20.0

#: A logger of a module that several services use.
SHARED = get_logger("shared")


def events_of(path: Path) -> list[str]:
    """Return what user code logged, in order: its events are in capitals."""
    return [line["event"] for line in read(path) if line["event"].isupper()]


def logging_service(name: str, log: Callable[[], None]) -> ModuleType:
    return module_of(name=name, init_function=log)


# whose a line is


def log_from_everywhere() -> None:
    """Log from the handler's thread, a thread, a thread of a thread, a pool and a timer."""
    SHARED.info("HERE")
    threads = [
        threading.Thread(target=SHARED.info, args=("THREAD",)),
        threading.Thread(target=run_thread, args=(lambda: SHARED.info("GRANDCHILD"),)),
        threading.Timer(0, SHARED.info, ("TIMER",)),
    ]
    for thread in threads:
        thread.start()
        thread.join(WAIT_S)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(SHARED.info, "POOL").result(WAIT_S)


def run_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(WAIT_S)


ALL_PLACES = ["HERE", "THREAD", "GRANDCHILD", "TIMER", "POOL"]


def test_the_lines_of_two_services_are_kept_apart(tmp_path: Path) -> None:
    names = ("a", "b")
    with ExitStack() as stack:
        for name in names:
            module = logging_service(name, log_from_everywhere)
            arguments = {"console_loglevel": None, "log_path": tmp_path / f"{name}.log"}
            stack.enter_context(running(module, **arguments))

    for name in names:
        path = tmp_path / f"{name}.log"
        assert events_of(path) == ALL_PLACES
        assert {line["service"] for line in read(path)} == {name}


def test_a_thread_that_runs_on_stays_in_its_service(tmp_path: Path) -> None:
    tasks: queue.Queue[str | None] = queue.Queue()
    done: queue.Queue[str] = queue.Queue()

    def work() -> None:
        while (text := tasks.get(timeout=WAIT_S)) is not None:
            SHARED.info(text)
            done.put(text)

    worker = threading.Thread(target=work)

    def start_worker() -> None:
        worker.start()

    first = logging_service("first", start_worker)
    with running(first, console_loglevel=None, log_path=tmp_path / "first.log"):
        second = logging_service("second", lambda: tasks.put("WORK"))
        with running(second, console_loglevel=None, log_path=tmp_path / "second.log"):
            assert done.get(timeout=WAIT_S) == "WORK"
    tasks.put(None)
    worker.join(WAIT_S)

    assert events_of(tmp_path / "first.log") == ["WORK"]
    assert events_of(tmp_path / "second.log") == []


def test_main_and_handlers_log_to_their_service(tmp_path: Path) -> None:
    def main() -> None:
        SHARED.info("MAIN")

    service = Service(
        module_of(name="m", main=main), console_loglevel=None, log_path=tmp_path / "m.log"
    )
    service.run_service_as_main_blocking()

    assert events_of(tmp_path / "m.log") == ["MAIN"]


def test_a_service_file_logs_to_its_own_service_alone(tmp_path: Path) -> None:
    """Also at its import, and by a logger that it makes there."""
    source = tmp_path / "desk.v2.py"
    source.write_text(
        "from sf_actors import get_logger\n"
        "LOG = get_logger()\n"
        "LOG.info('IMPORT')\n"
        "def init_function(): LOG.info('INIT')\n"
    )
    for run in ("one", "two"):
        with running(source, console_loglevel=None, log_path=tmp_path / run):
            pass

    for run in ("one", "two"):
        assert events_of(tmp_path / run) == ["IMPORT", "INIT"]
        assert {line["service"] for line in read(tmp_path / run)} == {"desk.v2"}


def test_the_service_is_the_name_that_was_given(tmp_path: Path) -> None:
    module = logging_service("module", lambda: SHARED.info("X"))
    with running(module, name="desk", console_loglevel=None, log_path=tmp_path / "log"):
        pass

    assert {line["service"] for line in read(tmp_path / "log")} == {"desk"}


def test_a_hundred_services_have_a_file_each(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for number in range(100):
            module = logging_service(f"s{number}", lambda n=number: SHARED.info("X", n=n))  # type: ignore[misc]
            path = tmp_path / "logs" / f"{number}.log"
            stack.enter_context(running(module, console_loglevel=None, log_path=path))

    for number in range(100):
        lines = read(tmp_path / "logs" / f"{number}.log")
        assert [line["n"] for line in lines if line["event"] == "X"] == [number]
        assert {line["service"] for line in lines} == {f"s{number}"}


def test_a_line_from_outside_any_service_goes_to_the_console_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = logging_service("a", lambda: None)
    with running(module, console_loglevel=None, log_path=tmp_path / "a.log"):
        SHARED.info("OUTSIDE")

    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["service"]) == ("OUTSIDE", None)
    assert events_of(tmp_path / "a.log") == []


def test_a_line_outside_any_request_has_no_workflow_id(tmp_path: Path) -> None:
    with running(logging_service("a", log_each_level), log_path=tmp_path / "a.log"):
        pass

    assert not [line for line in read(tmp_path / "a.log") if "workflow_id" in line]


# levels


def log_each_level() -> None:
    for level in ("debug", "info", "warning", "error", "critical"):
        SHARED.log(level, level.upper())


LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_each_service_has_levels_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = {"a": ("DEBUG", "ERROR"), "b": ("CRITICAL", "WARNING"), "c": ("info", None)}
    with ExitStack() as stack:
        for name, (console, file) in levels.items():
            arguments: dict[str, Any] = {"console_loglevel": console, "file_loglevel": file}
            arguments["log_path"] = tmp_path / name
            stack.enter_context(running(logging_service(name, log_each_level), **arguments))

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    shown = {name: [line["event"] for line in lines if line["service"] == name] for name in levels}
    assert {name: [e for e in events if e.isupper()] for name, events in shown.items()} == {
        "a": LEVELS,
        "b": LEVELS[4:],
        "c": LEVELS[1:],
    }
    assert events_of(tmp_path / "a") == LEVELS[3:]
    assert events_of(tmp_path / "b") == LEVELS[2:]
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("level", [None, "NONE", "none"])
def test_a_console_that_is_off_shows_nothing(
    capfd: pytest.CaptureFixture[str], level: str | None
) -> None:
    with running(logging_service("a", log_each_level), console_loglevel=level):
        pass

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("argument", ["console_loglevel", "file_loglevel"])
def test_an_unknown_level_is_a_usage_error(argument: str) -> None:
    module = logging_service("a", log_each_level)
    with pytest.raises(UsageError, match=f"{argument}: .*'LOUD'"):
        Service(module, **{argument: "LOUD"}).run_service()  # type: ignore[arg-type]


def test_logging_and_structlog_are_left_as_they_were(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), list(root.filters), structlog.is_configured())
    with running(logging_service("a", log_each_level), log_path=tmp_path / "a.log"):
        during = (root.level, list(root.handlers), list(root.filters), structlog.is_configured())

    after = (root.level, list(root.handlers), list(root.filters), structlog.is_configured())
    assert before == during == after


# what stands in a line


def test_every_line_has_what_it_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        log_from_everywhere()
        try:
            raise ValueError("bad")
        except ValueError:
            SHARED.exception("FAILED")

    with running(logging_service("a", fail), log_path=tmp_path / "a.log", file_loglevel="DEBUG"):
        pass

    console = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    lines = read(tmp_path / "a.log")
    assert console == lines
    for line in lines:
        assert list(line)[:4] == ["timestamp", "level", "event", "service"]
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
        assert line["timestamp"].endswith("Z")
    failed = next(line for line in lines if line["event"] == "FAILED")
    assert "ValueError: bad" in failed["exception"]


# the command line

SERVICE = "from sf_actors import get_logger\ndef init_function(): get_logger().warning('HELLO')\n"


@pytest.fixture
def service_file(tmp_path: Path) -> str:
    (tmp_path / "svc.py").write_text(SERVICE)
    return "svc.py"


@pytest.mark.parametrize("flag", ["-cl", "--console_loglevel", "-f", "--file_loglevel"])
def test_an_unknown_level_ends_the_command_line_with_2_and_one_line(
    tmp_path: Path, service_file: str, flag: str
) -> None:
    with Process("-s", service_file, flag, "LOUD", cwd=tmp_path) as service:
        assert service.wait() == 2
    (line,) = service.err
    assert "'LOUD'" in line
    assert "DEBUG" in line


def test_the_command_line_logs_json_lines_to_standard_error_and_to_the_file(
    tmp_path: Path, service_file: str
) -> None:
    start = ("-s", service_file, "-l", "logs/today/svc.log", "-f", "WARNING", "-bc", "3")
    with Process(*start, cwd=tmp_path) as service:
        service.wait_for_event("HELLO")
        service.wait_until_ready()
        service.interrupt(signal.SIGTERM)
        assert service.wait() == 0

    assert service.out == []
    lines = [json.loads(line) for line in service.err]
    assert {line["service"] for line in lines} == {"svc"}
    assert [line["event"] for line in lines] == ["HELLO", "ready", "stopped"]
    assert [line["event"] for line in read(tmp_path / "logs/today/svc.log")] == ["HELLO"]


def test_the_command_line_can_be_silent(tmp_path: Path, service_file: str) -> None:
    start = ("-s", service_file, "-cl", "NONE", "-l", "svc.log")
    (tmp_path / "svc.py").write_text(SERVICE + "def main(): pass\n")
    with Process(*start, "-m", cwd=tmp_path) as service:
        assert service.wait() == 0

    assert service.err == service.out == []
    assert events_of(tmp_path / "svc.log") == ["HELLO"]


def on_a_terminal(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run the command line with a pseudo terminal as standard error; return what that showed."""
    reader, terminal = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    shown = b""
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "sf_actors", *arguments],
            cwd=cwd,
            env={**env, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
            stderr=terminal,
        ) as process:
            os.close(terminal)
            try:
                while piece := os.read(reader, 4096):
                    shown += piece
            except OSError:
                pass  # the last one who held the terminal has ended
            assert process.wait(WAIT_S) == 0
    finally:
        os.close(reader)
    return shown.decode()


def test_a_terminal_shows_coloured_text(tmp_path: Path, service_file: str) -> None:
    (tmp_path / "svc.py").write_text(SERVICE + "def main(): pass\n")

    shown = on_a_terminal("-s", service_file, "-m", cwd=tmp_path)

    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert re.search(r"^\d{4}-\d\d-\d\dT.*Z \[warning *\] HELLO .*service=svc", plain, re.MULTILINE)


def test_a_terminal_without_colours_shows_text(tmp_path: Path, service_file: str) -> None:
    (tmp_path / "svc.py").write_text(SERVICE + "def main(): pass\n")

    shown = on_a_terminal("-s", service_file, "-m", cwd=tmp_path, NO_COLOR="1")

    assert "\x1b[" not in shown
    assert "HELLO" in shown
