from __future__ import annotations

import asyncio
import logging
import logging.config
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from sf_actors.log import LogScope, current_scope, get_logger
from sf_actors.log.scope import scopes_of_one_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


import pytest

from tests.log.lines import DEADLINE_S, Console, lines_of, read
from tests.support.processes import ROOT

LOG = get_logger()


def run_in_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_line_from_outside_any_service_goes_to_the_console_alone(
    open_scope: Callable[..., LogScope], console: Console, tmp_path: Path
) -> None:
    open_scope("svc", log_path=tmp_path / "svc.log")

    LOG.debug("x")
    LOG.info("x")

    assert console.line()["service"] is None
    assert (tmp_path / "svc.log").read_text() == ""


def test_the_context_decides_before_the_loggers_home(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    a, b = open_scope("a"), open_scope("b")
    with a.entered():
        log = get_logger()
        with b.entered():
            log.info("x")
            assert current_scope() is b
        log.info("x")
    log.info("x")
    assert current_scope() is None

    assert [line["service"] for line in console.lines()] == ["b", "a", "a"]


def test_a_bound_logger_keeps_the_home_of_its_logger(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    with open_scope("a").entered():
        log = get_logger()
    log.bind(x=1).info("x")

    assert console.line()["service"] == "a"


def test_a_scope_can_be_entered_without_a_block(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    scope = open_scope("a")
    token = scope.enter()
    LOG.info("x")
    scope.leave(token)
    LOG.info("x")

    assert [line["service"] for line in console.lines()] == ["a", None]


def test_a_thread_that_adopts_a_scope_stays_in_it(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    scope = open_scope("a")

    def live() -> None:
        scope.adopt()
        LOG.info("x")

    run_in_thread(live)
    LOG.info("x")

    assert [line["service"] for line in console.lines()] == ["a", None]


def test_a_thread_belongs_to_the_service_that_started_it(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    def write() -> None:
        LOG.info("child")
        run_in_thread(lambda: LOG.info("grandchild"))

    for name in ("a", "b"):
        with open_scope(name).entered():
            run_in_thread(write)
    run_in_thread(write)

    assert [(line["service"], line["event"]) for line in console.lines()] == [
        *(("a", "child"), ("a", "grandchild"), ("b", "child"), ("b", "grandchild")),
        *((None, "child"), (None, "grandchild")),
    ]


def test_a_thread_that_outlives_a_run_belongs_to_the_next_run_of_its_service(
    console: Console, tmp_path: Path
) -> None:
    scope_of = scopes_of_one_service(log_path=tmp_path / "svc.log")
    goes_on, has_written = threading.Semaphore(0), threading.Semaphore(0)

    def write() -> None:
        for event in ("first", "between", "second"):
            goes_on.acquire(timeout=DEADLINE_S)
            LOG.info(event)
            has_written.release()

    def let_write() -> None:
        goes_on.release()
        assert has_written.acquire(timeout=DEADLINE_S)

    first, other = scope_of("svc"), LogScope("other")
    with first.entered():
        thread = threading.Thread(target=write)
        thread.start()
        let_write()
    first.close()
    let_write()
    second = scope_of("svc")
    let_write()
    thread.join(DEADLINE_S)
    second.close()
    other.close()

    assert [line["event"] for line in read(tmp_path / "svc.log")] == ["first", "second"]
    assert [line["service"] for line in console.lines()] == ["svc"] * 3


def test_a_thread_that_was_made_outside_belongs_to_who_starts_it(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    thread = threading.Thread(target=lambda: LOG.info("x"))
    with open_scope("a").entered():
        thread.start()
    thread.join(DEADLINE_S)

    assert console.line()["service"] == "a"


def test_a_thread_class_with_odd_equality_starts(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    class Odd(threading.Thread):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = threading.Thread.__hash__

        def run(self) -> None:
            LOG.info("x")

    with open_scope("a").entered():
        thread = Odd()
        thread.start()
    thread.join(DEADLINE_S)

    assert console.line()["service"] == "a"


def test_a_thread_pool_and_a_timer_belong_to_their_service(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    with open_scope("a").entered():
        with ThreadPoolExecutor(2) as pool:
            pool.submit(LOG.info, "pool").result(DEADLINE_S)
        timer = threading.Timer(0, LOG.info, ["timer"])
        timer.start()
        timer.join(DEADLINE_S)

    assert [(line["service"], line["event"]) for line in console.lines()] == [
        ("a", "pool"),
        ("a", "timer"),
    ]


def test_tasks_and_threads_of_asyncio_belong_to_their_service(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    async def main() -> None:
        LOG.info("x")
        await asyncio.to_thread(LOG.info, "x")
        await asyncio.get_running_loop().run_in_executor(None, LOG.info, "x")

    with open_scope("a").entered():
        asyncio.run(main())

    assert [line["service"] for line in console.lines()] == ["a"] * 3


def test_many_services_at_once_are_kept_apart(
    open_scope: Callable[..., LogScope], tmp_path: Path
) -> None:
    barrier = threading.Barrier(20)

    def write() -> None:
        barrier.wait(DEADLINE_S)
        for _ in range(20):
            LOG.info("x")

    threads = []
    for number in range(20):
        name = f"svc{number}"
        with open_scope(name, console_level=None, log_path=tmp_path / name).entered():
            threads.append(threading.Thread(target=write))
            threads[-1].start()
    for thread in threads:
        thread.join(DEADLINE_S)

    for number in range(20):
        lines = read(tmp_path / f"svc{number}")
        assert [line["service"] for line in lines] == [f"svc{number}"] * 20


def test_a_closed_scope_is_kept_by_neither_threads_nor_loggers(tmp_path: Path) -> None:
    over = threading.Event()
    scope = LogScope("a", log_path=tmp_path / "a.log")
    with scope.entered():
        log = get_logger()
        thread = threading.Thread(target=over.wait, args=(DEADLINE_S,))
        thread.start()
    scope.close()
    gone = weakref.ref(scope)
    del scope

    assert gone() is None
    log.info("still works")
    over.set()
    thread.join(DEADLINE_S)


def test_the_way_threads_start_is_left_as_it_was(open_scope: Callable[..., LogScope]) -> None:
    before = threading.Thread.start
    scopes = [open_scope("a"), open_scope("b")]
    for scope in scopes:
        scope.close()
        scope.close()

    assert threading.Thread.start is before


def test_the_end_of_one_service_leaves_the_threads_of_another_theirs(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    ended, running = open_scope("a"), open_scope("b")
    ended.close()
    ended.close()
    with running.entered():
        run_in_thread(lambda: LOG.info("x"))

    assert console.line()["service"] == "b"


def test_the_thread_decides_before_the_loggers_home(
    open_scope: Callable[..., LogScope], console: Console
) -> None:
    a, b = open_scope("a"), open_scope("b")
    with a.entered():
        log = get_logger()
    with b.entered():
        run_in_thread(lambda: log.info("x"))

    assert console.line()["service"] == "b"


def test_who_wraps_the_start_of_threads_too_is_not_disturbed(
    open_scope: Callable[..., LogScope], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    scope = open_scope("a")
    ours = threading.Thread.start

    def theirs(thread: threading.Thread) -> None:
        calls.append(thread)
        ours(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", theirs)
        scope.close()
        with open_scope("b").entered():
            run_in_thread(lambda: LOG.info("x"))
        assert threading.Thread.start is theirs

    assert len(calls) == 1
    assert console.line()["service"] == "b"


@pytest.mark.slow
def test_threads_start_before_and_after_a_scope(tmp_path: Path) -> None:
    program = """if True:
        import threading
        from sf_actors.log import LogScope, get_logger
        log = get_logger()
        def write(): log.info('x')
        def run():
            thread = threading.Thread(target=write); thread.start(); thread.join()
        run()
        scope = LogScope('a')
        with scope.entered(): run()
        scope.close()
        run()
        assert not __import__('logging').getLogger().handlers
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    """
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )

    assert ended.returncode == 0, ended.stderr
    assert [line["service"] for line in lines_of(ended.stderr)] == [None, "a", None]


def test_logging_and_structlog_are_left_alone(
    open_scope: Callable[..., LogScope], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), structlog.is_configured())
    with open_scope(log_path=tmp_path / "svc.log", file_level="DEBUG").entered():
        LOG.error("x")

    assert caplog.records == []
    assert (root.level, list(root.handlers), structlog.is_configured()) == before


@pytest.mark.slow
def test_a_forked_child_can_write(svc: LogScope, open_scope: Callable[..., LogScope]) -> None:
    program = """if True:
        import os, sys, threading
        from sf_actors.log import LogScope, console, get_logger
        log = get_logger()
        with LogScope('a').entered():
            held, over = threading.Event(), threading.Event()
            def hold():
                with console.CONSOLE._lock:
                    held.set(); over.wait(20)
            holder = threading.Thread(target=hold); holder.start(); held.wait(5)
            child = os.fork()
            if child == 0:
                log.info('child'); os._exit(0)
            _, status = os.waitpid(child, 0)
            over.set(); holder.join()
            sys.exit(os.waitstatus_to_exitcode(status))
    """
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )

    assert ended.returncode == 0
    assert '"event": "child"' in ended.stderr


def test_where_threads_inherit_the_context_their_start_is_left_alone(
    open_scope: Callable[..., LogScope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sf_actors.log.current._CONTEXTS_ARE_INHERITED", True)
    before = threading.Thread.start

    scope = open_scope("a")
    assert threading.Thread.start is before

    scope.close()
    assert threading.Thread.start is before
