"""What libraries say through `logging`, and threads that fail, as lines of services."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ServiceStopped, get_logger
from sf_actors.log.standard_library import STANDARD_LIBRARY
from sf_actors.testing import lines_in_logging, module_of, running
from tests.log.lines import DEADLINE_S, Console, read
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sf_actors.log import LogScope

THEIRS = logging.getLogger("a.library")


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have records written as lines, with the hook of threads as the interpreter has it."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    STANDARD_LIBRARY.begin()
    yield
    STANDARD_LIBRARY.end()


def run_in_thread(function: Callable[[], object], name: str = "worker") -> None:
    thread = threading.Thread(target=function, name=name)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


# records


@pytest.mark.usefixtures("bridge")
def test_a_record_is_a_line_of_the_service_in_which_it_is_made(
    svc: LogScope, console: Console
) -> None:
    assert svc
    THEIRS.info("got %s of %d", "one", 2, extra={"price": 10, "_of_a_library": 1})

    line = console.line()
    del line["timestamp"]
    assert line == {
        "level": "info",
        "event": "got one of 2",
        "service": "svc",
        "logger": "a.library",
        "price": 10,
    }


@pytest.mark.usefixtures("bridge")
def test_a_record_goes_to_the_services_file_with_its_levels(
    open_scope: Callable[..., LogScope], tmp_path: Path, console: Console
) -> None:
    path = tmp_path / "svc.log"
    scope = open_scope("svc", console_level="ERROR", log_path=path, file_level="DEBUG")
    with scope.entered():
        THEIRS.debug("quiet")
        THEIRS.error("loud")

    assert [line["event"] for line in read(path)] == ["quiet", "loud"]
    assert console.line()["event"] == "loud"


@pytest.mark.usefixtures("bridge")
def test_each_service_has_the_records_that_its_own_levels_want(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    for name, level in (("a", "DEBUG"), ("b", "WARNING")):
        with open_scope(name, console_level=level).entered():
            THEIRS.debug("x")
            THEIRS.warning("x")

    assert [(line["service"], line["level"]) for line in console.lines()] == [
        ("a", "debug"),
        ("a", "warning"),
        ("b", "warning"),
    ]


@pytest.mark.usefixtures("bridge")
def test_a_record_from_outside_any_service_goes_to_the_console(console: Console) -> None:
    THEIRS.debug("x")
    THEIRS.info("x")

    line = console.line()
    assert (line["service"], line["level"]) == (None, "info")


@pytest.mark.usefixtures("bridge", "svc")
def test_pykkas_records_are_left_out(console: Console) -> None:
    logging.getLogger("pykka").info("x")
    logging.getLogger("pykka.actor").error("x")

    assert console.lines() == []


@pytest.mark.usefixtures("bridge", "svc")
def test_an_exception_is_shown_with_its_traceback(console: Console) -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        THEIRS.exception("failed")
    THEIRS.exception("nothing to show")

    first, second = console.lines()
    assert "ValueError: bad" in first["exception"]
    assert "exception" not in second


@pytest.mark.usefixtures("bridge", "svc")
@pytest.mark.parametrize(
    ("call", "event"),
    [
        (("50 %",), "50 %"),
        (("%(a)s", {"a": 1}), "1"),
        (("%d", "x"), "%d"),
        ((ValueError("x"),), "x"),
        (("%s %s", 1), "%s %s"),
    ],
)
def test_no_record_makes_logging_raise(console: Console, call: tuple[Any, ...], event: str) -> None:
    message, *args = call
    record = logging.LogRecord("a.library", logging.INFO, "", 0, message, tuple(args), None)
    # pytest's own handlers would raise
    assert STANDARD_LIBRARY._handler is not None
    STANDARD_LIBRARY._handler.handle(record)

    assert console.line()["event"] == event


@pytest.mark.usefixtures("bridge", "svc")
def test_a_standard_error_that_logs_what_it_is_given_is_no_endless_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Logging(io.StringIO):
        def write(self, text: str) -> int:
            THEIRS.info(text)
            return super().write(text)

    stream = Logging()
    monkeypatch.setattr(sys, "stderr", stream)
    THEIRS.info("once")
    get_logger().info("ours")

    assert stream.getvalue().count('"once"') == 1


def test_the_root_logger_is_as_before_afterwards(svc: LogScope) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), threading.excepthook
    assert STANDARD_LIBRARY.begin()
    assert not STANDARD_LIBRARY.begin()
    assert root.level == svc.threshold

    STANDARD_LIBRARY.end()
    STANDARD_LIBRARY.end()

    assert (root.level, list(root.handlers), threading.excepthook) == before


@pytest.mark.usefixtures("bridge")
def test_the_root_logger_lets_through_what_the_services_that_run_want(
    open_scope: Callable[..., LogScope],
) -> None:
    root = logging.getLogger()
    levels = [root.level]
    scope = open_scope("svc", console_level="DEBUG")
    levels.append(root.level)
    scope.close()
    levels.append(root.level)

    assert levels == [logging.INFO, logging.DEBUG, logging.INFO]


# threads


@pytest.mark.usefixtures("bridge", "svc")
def test_a_thread_that_fails_is_a_line_of_its_service(console: Console) -> None:
    def fail() -> None:
        raise ValueError("bad")

    run_in_thread(fail)

    line = console.line()
    assert (line["service"], line["level"], line["thread"]) == ("svc", "error", "worker")
    assert "ValueError: bad" in line["exception"]


@pytest.mark.usefixtures("bridge", "svc")
@pytest.mark.parametrize("error", [SystemExit(3), ServiceStopped("the service stops")])
def test_a_thread_that_ends_with_the_service_ends_without_a_word(
    console: Console, error: BaseException
) -> None:
    def end() -> None:
        raise error

    run_in_thread(end)

    assert console.lines() == []


def test_a_hook_of_the_users_own_is_called_as_well(
    svc: LogScope, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert svc
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    STANDARD_LIBRARY.begin()
    try:
        run_in_thread(lambda: 1 / 0)
    finally:
        STANDARD_LIBRARY.end()

    assert told == [ZeroDivisionError]
    assert console.line()["event"] == "thread failed"


# the command line

SERVICE = """
import _thread, logging, sys, threading

def fail(): raise ValueError('bad')

def main():
    logging.getLogger('lib').debug('quiet')
    logging.getLogger('lib').info('said')
    thread = threading.Thread(target=fail); thread.start(); thread.join()
    over = threading.Event()
    # one that nobody's `Thread.start` has begun
    _thread.start_new_thread(lambda: (logging.getLogger('lib').info('bare'), over.set()), ())
    over.wait()
"""


@pytest.mark.slow
def test_the_command_line_does_so_by_itself(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(SERVICE)

    flags = ("-cl", "NONE", "-l", "svc.log", "-f", "INFO")
    with Process("-s", "svc.py", "-m", *flags, cwd=tmp_path) as process:
        assert process.wait() == 0

    assert process.err == []
    events = [line["event"] for line in read(tmp_path / "svc.log")]
    assert events == ["ready", "said", "thread failed", "bare", "stopped"]


# the other way round


def test_caplog_sees_lines(caplog: pytest.LogCaptureFixture) -> None:
    def init_function() -> None:
        get_logger().info("order taken", price=10)
        get_logger().debug("quiet")
        try:
            raise ValueError("bad")
        except ValueError:
            get_logger().exception("failed")

    with lines_in_logging(), running(module_of("shop", init_function=init_function)):
        pass
    get_logger().warning("afterwards")

    taken, failed = (r for r in caplog.records if r.message in ("order taken", "failed"))
    assert (taken.name, taken.levelname, taken.line["price"]) == ("shop", "INFO", 10)  # type: ignore[attr-defined]
    assert "ValueError: bad" in caplog.text
    assert failed.levelno == logging.ERROR
    assert not {"quiet", "afterwards"} & set(caplog.messages)


@pytest.mark.usefixtures("bridge", "svc")
def test_a_line_that_became_a_record_does_not_become_a_line_again(console: Console) -> None:
    with lines_in_logging():
        get_logger().info("once")

    assert console.line()["event"] == "once"
