"""The stop of a service whose functions are coroutines: who is cancelled when, what is left."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ServiceStopped, StopOverdue
from sf_actors.lifecycle import stop
from sf_actors.testing import module_of
from tests.support.models import address_of
from tests.support.processes import Process
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    client_of,
    echo_service,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

Args = dict[str, Any]


def test_an_async_main_is_cancelled_when_the_stop_begins_and_has_ended_cleanly() -> None:
    began = threading.Event()
    ended: list[str] = []

    async def main() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("main")

    service = service_of(module_of(main=main), 20)
    service.run_service_as_main()
    assert began.wait(PATIENCE_S)
    since = monotonic()
    service.stop_service()
    assert monotonic() - since < 5
    assert (ended, service.failure) == (["main"], None)


def test_an_async_main_that_has_stopping_is_cancelled_when_user_code_is_interrupted(
    interrupted_soon: float,
) -> None:
    began = threading.Event()
    told: list[Any] = []

    async def main(stopping: Any) -> None:
        began.set()
        told.append(await asyncio.to_thread(stopping.wait, PATIENCE_S))
        await asyncio.sleep(60)

    service = service_of(module_of(main=main), interrupted_soon)
    service.run_service_as_main()
    assert began.wait(PATIENCE_S)
    since = monotonic()
    service.stop_service()
    assert monotonic() - since >= interrupted_soon * stop.INTERRUPTS[0]
    assert (told, service.failure) == ([True], None)


def test_a_stop_asked_before_main_has_begun_cancels_it_as_it_begins() -> None:
    async def main() -> None:
        await asyncio.sleep(60)

    service = service_of(module_of(main=main), 20)
    service.run_service_as_main()
    since = monotonic()
    service.stop_service()
    assert monotonic() - since < 5
    assert service.failure is None


def test_an_async_main_that_leaves_by_cancelled_error_of_its_own_has_ended_cleanly() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    service_of(module_of(main=main)).run_service_as_main_blocking()


def test_an_async_main_that_raises_makes_the_service_fail_and_its_exit_is_its_status() -> None:
    async def fails() -> None:
        raise ValueError("no such thing")

    async def exits() -> None:
        raise SystemExit(3)

    async def exits_cleanly() -> None:
        raise SystemExit

    with pytest.raises(ValueError, match="no such thing"):
        service_of(module_of(main=fails)).run_service_as_main_blocking()
    with pytest.raises(SystemExit) as raised:
        service_of(module_of(main=exits)).run_service_as_main_blocking()
    assert raised.value.code == 3
    service_of(module_of(main=exits_cleanly)).run_service_as_main_blocking()


@pytest.mark.parametrize("blocks", [True, False])
def test_an_async_main_that_does_not_end_is_overdue(*, blocks: bool) -> None:
    """It swallows each cancellation, or keeps the loop from telling it of one."""
    began, may_end = threading.Event(), threading.Event()

    async def main() -> None:
        began.set()
        while not may_end.is_set():
            if blocks:
                may_end.wait(PATIENCE_S)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    service = service_of(module_of(main=main), 0.3)
    service.run_service_as_main()
    assert began.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(service.failure, StopOverdue)
    assert str(service.failure).endswith("left behind: main")
    may_end.set()


def test_an_async_handler_is_cancelled_within_the_deadline_and_its_caller_told(
    interrupted_soon: float,
) -> None:
    began = threading.Event()

    async def handler() -> None:
        began.set()
        await asyncio.sleep(60)

    service = service_of(replying(handler), interrupted_soon, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        assert began.wait(PATIENCE_S)
        service.stop_service()
        assert client.receive()["error"]["type"] == "ServiceStopped"
    assert service.failure is None


def test_an_async_handler_that_swallows_its_cancellation_is_left_behind() -> None:
    began, may_end = threading.Event(), threading.Event()

    async def handler() -> None:
        began.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    service = service_of(replying(handler), 0.3, addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        assert began.wait(PATIENCE_S)
        service.stop_service()
        assert client.receive()["error"]["type"] == "ServiceStopped"
    assert isinstance(service.failure, StopOverdue)
    may_end.set()


def test_a_task_that_ignores_its_cancellation_is_named_and_left_behind() -> None:
    may_end = threading.Event()

    async def stubborn() -> None:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def init_function() -> None:
        asyncio.create_task(stubborn())  # noqa: RUF006 - the loop keeps it

    service = service_of(module_of(init_function=init_function), 0.3)
    service.run_service()
    service.stop_service()
    assert "left behind: task stubborn" in str(service.failure)
    may_end.set()


def test_tasks_that_beget_tasks_as_they_end_are_all_cancelled() -> None:
    ended: list[int] = []

    async def waits(left: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(left)
            if left:
                asyncio.create_task(waits(left - 1))  # noqa: RUF006 - the loop keeps it

    async def init_function() -> None:
        asyncio.create_task(waits(3))  # noqa: RUF006 - the loop keeps it
        await asyncio.sleep(0)

    service = service_of(module_of(init_function=init_function))
    service.run_service()
    service.stop_service()
    assert service.failure is None
    assert ended[:1] == [3]


@pytest.mark.parametrize("is_in_thread", [True, False])
def test_a_coroutine_that_stops_its_service_is_not_waited_for_by_itself(
    *, is_in_thread: bool
) -> None:
    async def init_function() -> None:
        asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(ends()))

    async def ends() -> None:
        if is_in_thread:
            await asyncio.to_thread(service.stop_service)
        else:
            service.stop_service()

    service = echo_service(init_function=init_function)
    service.run_service()
    assert service.wait(PATIENCE_S)
    assert service.failure is None


@pytest.mark.parametrize("function", ["setup_config", "init_function"])
def test_an_async_function_of_the_start_is_cancelled_by_a_stop(
    function: str, interrupted_soon: float
) -> None:
    began = threading.Event()

    async def waits() -> None:
        began.set()
        await asyncio.sleep(60)

    service = service_of(module_of(**{function: waits}), interrupted_soon)
    run = Background(service.run_service)
    assert began.wait(PATIENCE_S)
    service.stop_service()
    assert isinstance(run.join(), ServiceStopped)
    assert service.failure is None


def test_a_start_that_fails_after_an_async_hook_leaves_no_loop() -> None:
    """The fixture that looks for threads and descriptors is the test."""

    async def setup_config() -> Args:
        asyncio.create_task(asyncio.sleep(60))  # noqa: RUF006 - the loop keeps it
        return {"unknown": 1}

    async def init_function() -> None:
        raise ValueError("no such thing")

    for module in (
        module_of(setup_config=setup_config, config_model={"required": {"known": int}}),
        module_of(init_function=init_function),
    ):
        service = service_of(module)
        with pytest.raises(Exception, match=r"known|such thing"):
            service.run_service()


FILE = """
import asyncio, os, sys

async def main():
    {body}
    print('at work', flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print('good bye', flush=True)

async def sigint_handler(signum):
    await asyncio.sleep(0)
    print('hook', flush=True)
"""


def test_a_signal_runs_an_async_hook_and_ends_an_async_main(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(FILE.format(body="pass"))
    with Process("-s", "it.py", "-m", cwd=tmp_path) as process:
        process.wait_for_line("at work")
        process.interrupt(signal.SIGINT)
        assert process.wait() == 0
    assert sorted(process.out) == ["at work", "good bye", "hook"]


def test_a_thread_of_asyncio_that_is_stuck_does_not_keep_the_process(tmp_path: Path) -> None:
    body = "asyncio.create_task(asyncio.to_thread(work))"
    work = "import time\ndef work():\n    print('stuck', flush=True)\n    time.sleep(60)\n"
    (tmp_path / "it.py").write_text(work + FILE.format(body=body))
    with Process("-s", "it.py", "-m", "--stop_timeout_s", "0.5", cwd=tmp_path) as process:
        process.wait_for_line("stuck")
        process.interrupt(signal.SIGTERM)
        assert process.wait_for_event("stop overdue")["left_behind"] == (
            "a thread of asyncio.to_thread"
        )
        assert process.wait(PATIENCE_S) == 1


def test_what_waits_in_an_event_loop_that_dies_fails_and_so_does_the_service() -> None:
    began = threading.Event()

    async def handler() -> None:
        loop: Any = asyncio.get_running_loop()
        loop._selector.select = None
        began.set()
        await asyncio.sleep(60)

    service = service_of(replying(handler), addresses=ECHO_ADDRESSES)
    service.run_service()
    with client_of(address_of(service)) as client:
        client.send(n=1)
        assert began.wait(PATIENCE_S)
        assert "the event loop died" in client.receive()["error"]["message"]
        assert service.wait(PATIENCE_S)
    assert "the event loop died" in str(service.failure)


def test_the_child_of_a_fork_ends_where_its_coroutine_waits_or_ends(tmp_path: Path) -> None:
    body = """
    for waits in (False, True):
        child = os.fork()
        if not child:
            if waits:
                await asyncio.sleep(0)
                print('the child came back', flush=True)
            sys.exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print('child', waits, status, flush=True)"""
    (tmp_path / "it.py").write_text(FILE.format(body=body))
    with Process("-s", "it.py", "-m", cwd=tmp_path) as process:
        process.wait_for_line("at work")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0
    assert process.out == ["child False 7", "child True 0", "at work", "good bye"]
