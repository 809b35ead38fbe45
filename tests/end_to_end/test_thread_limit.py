"""Stops where the system has no thread left: what they need was started with the run."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from contextlib import ExitStack
from textwrap import dedent
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.errors import ActorDied, BindError, ServiceFailed
from sf_actors.testing import module_of
from tests.support.effort import IS_FULL
from tests.support.models import address_of, replyer
from tests.support.processes import Process
from tests.support.services import (
    ECHO_ADDRESSES,
    REPLYER_FILE,
    ask,
    client_of,
    echo_service,
    replying,
    service_of,
)
from tests.support.signalling import ALL, hook_name, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

#: More than a stop takes that waits for nothing, less than any deadline that it could run into.
AT_ONCE_S = 8.0


@pytest.fixture
def reach_limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give what lets the system have no thread left."""

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading.Thread, "start", no_thread)


def test_a_start_without_memory_for_a_thread_says_that_memory_may_be_what_lacks(
    tmp_path: Path,
) -> None:
    source = "import threading\nthreading.stack_size(1 << 47)\ndef main():\n    pass\n"
    (tmp_path / "svc.py").write_text(source)
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        assert process.wait() == 2
    (line,) = process.err
    assert "no memory for its stack" in line
    assert "ulimit -v" in line
    assert "ulimit -u" in line


def test_a_failing_service_stops(reach_limit: Callable[[], None]) -> None:
    service = echo_service()
    service.run_service()
    error = ValueError("it broke")
    reach_limit()
    service._run.fail(error)  # type: ignore[union-attr]
    assert service.wait(AT_ONCE_S)
    assert service.failure is error


def test_each_of_many_failing_services_stops(reach_limit: Callable[[], None]) -> None:
    services = [echo_service() for _ in range(5)]
    before = threading.active_count()
    for service in services:
        service.run_service()
    # an actor each, and one thread in reserve for all
    assert threading.active_count() - before == len(services) + 1
    reach_limit()
    for service in services:
        service._run.fail(ValueError("it broke"))  # type: ignore[union-attr]
    assert all(service.wait(AT_ONCE_S) for service in services)
    assert threading.active_count() == before


def test_a_handler_stops_its_service(reach_limit: Callable[[], None]) -> None:
    def handler(args: dict[str, Any]) -> dict[str, Any]:
        service.stop_service()
        return args

    service = service_of(replying(handler), addresses=ECHO_ADDRESSES)
    service.run_service()
    reach_limit()
    assert ask(address_of(service), 3)["return_args"] == {"n": 3}
    assert service.wait(AT_ONCE_S)
    assert service.failure is None


def test_a_handler_that_exits_makes_its_service_fail(reach_limit: Callable[[], None]) -> None:
    def handler() -> None:
        raise SystemExit(3)

    service = service_of(replying(handler), addresses=ECHO_ADDRESSES)
    service.run_service()
    reach_limit()
    assert "error" in ask(address_of(service))
    assert service.wait(AT_ONCE_S)
    assert isinstance(service.failure, ServiceFailed)


@pytest.mark.parametrize("ending", ["stop", "exit"])
def test_a_worker_ends_its_service(ending: str, reach_limit: Callable[[], None]) -> None:
    def handler() -> None:
        if ending == "exit":
            raise SystemExit(3)
        service.stop_service()

    module = module_of(connection_models={"in": {"echo": replyer(handler, {"n": int}, workers=2)}})
    service = service_of(module, addresses=ECHO_ADDRESSES)
    service.run_service()
    reach_limit()
    assert ("error" in ask(address_of(service))) == (ending == "exit")
    assert service.wait(AT_ONCE_S)
    assert isinstance(service.failure, ServiceFailed) == (ending == "exit")


def test_an_actor_that_dies_and_cannot_be_started_again_makes_its_service_fail(
    reach_limit: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = echo_service()
    service.run_service()
    (actor,) = service._run.state.actors.values()  # type: ignore[union-attr]

    def broken(_message: object) -> None:
        raise ValueError("killed by the test")

    monkeypatch.setattr(actor, "on_message", broken)
    reach_limit()
    actor.tell("die")
    assert service.wait(AT_ONCE_S)
    assert isinstance(service.failure, ActorDied)
    assert "can't start new thread" in str(service.failure)


@pytest.mark.parametrize("wanted", ["reserve", "Replyer"])
def test_a_start_without_a_thread_fails_at_once_and_leaves_nothing(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if wanted in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    service = echo_service()
    monkeypatch.setattr(threading.Thread, "start", limited)
    began = monotonic()
    with pytest.raises(BindError, match="can't start new thread"):
        service.run_service()
    assert monotonic() - began < AT_ONCE_S
    assert isinstance(service.failure, BindError)
    monkeypatch.undo()
    with service:
        assert ask(address_of(service), 2)["return_args"] == {"n": 2}


@ALL
def test_a_signal_runs_its_hook_and_stops(
    number: signal.Signals, reach_limit: Callable[[], None]
) -> None:
    told: list[str] = []

    def init_function() -> None:
        threading.Thread(target=when_ready).start()

    def when_ready() -> None:
        while not service.was_ready:
            pass
        reach_limit()
        send(number)

    hook = {hook_name(number): lambda: told.append("hook")}
    service = service_of(module_of(init_function=init_function, **hook))
    began = monotonic()
    service.run_service_blocking()
    assert monotonic() - began < AT_ONCE_S
    assert told == ["hook"]


# a real limit, that of a user of its own

USER = 70_000 + os.getpid() % 10_000

LIMITED_FILE = """
import os, resource, threading

def init_function():
    # root has no limit, and others of this user count as well
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    resource.setrlimit(resource.RLIMIT_NPROC, (50, 50))

def reach_limit():
    count = 0
    try:
        while True:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            count += 1
    except RuntimeError:
        print('limit', count, flush=True)
""".replace("USER", str(USER))

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs a user of its own for the limit")


def limited(folder: Path, text: str) -> Process:
    """Start a service that reaches the limit of threads where its text says so."""
    (folder / "svc.py").write_text(LIMITED_FILE + dedent(text))
    main_mode = ("-m",) if "def main" in text else ()
    arguments = ("-s", "svc.py", *main_mode, "--stop_timeout_s", "2", "-a", "a.json")
    (folder / "a.json").write_text('{"connections": {"in": {"echo": "127.0.0.1:0"}}}')
    return Process(*arguments, cwd=folder)


#: Reaches the limit in a handler, so that the service is READY.
AT_REQUEST = REPLYER_FILE.replace("return {'n'", "reach_limit(); return {'n'")


@as_root
@ALL
def test_a_process_at_the_limit_of_threads_stops_by_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    hook = "def sigint_handler(): print('hook', flush=True)\nsigterm_handler = sigint_handler\n"
    with limited(tmp_path, AT_REQUEST + hook) as process:
        assert ask(process.wait_until_ready()["echo.replyer"], 1)["return_args"] == {"n": 1}
        assert int(process.wait_for_line("limit").split()[1]) > 0
        process.interrupt(number)
        assert process.wait(AT_ONCE_S) == 0
    assert "hook" in process.out


@as_root
def test_a_main_at_the_limit_of_threads_stops_by_a_signal(tmp_path: Path) -> None:
    text = """
    import time
    def main(to_send):
        # not here: before 3.12 a thread that could start no other can be interrupted no more
        threading.Thread(target=reach_limit, daemon=True).start()
        while True: time.sleep(0.01)
    """
    with limited(tmp_path, text) as process:
        process.wait_for_line("limit")
        process.interrupt()
        assert process.wait(AT_ONCE_S) == 0


@as_root
def test_a_second_signal_at_the_limit_of_threads_ends_the_process(tmp_path: Path) -> None:
    hook = "def sigint_handler():\n    print('hook', flush=True)\n    while True: pass\n"
    with limited(tmp_path, AT_REQUEST + hook) as process:
        ask(process.wait_until_ready()["echo.replyer"])
        process.wait_for_line("limit")
        process.interrupt()
        process.wait_for_line("hook")
        process.interrupt(signal.SIGTERM)
        assert process.wait(AT_ONCE_S) == 128 + signal.SIGTERM


@as_root
def test_a_handler_stuck_at_the_limit_of_threads_is_exit_status_1(tmp_path: Path) -> None:
    stuck = AT_REQUEST.replace("; return", "; import time; time.sleep(100); return")
    with (
        limited(tmp_path, stuck) as process,
        client_of(process.wait_until_ready()["echo.replyer"]) as client,
    ):
        client.send(n=1)
        process.wait_for_line("limit")
        process.interrupt()
        assert process.wait(2 * AT_ONCE_S) == 1
    assert "left behind" in process.err[-1]


#: So many threads a start may have; it needs more than the last.
FEW = range(1, 9) if IS_FULL else (1, 3, 5, 8)

#: Has so few threads from the start on, as a user for each number.
FROM_THE_START = (
    LIMITED_FILE.replace("def init_function():", "if True:")
    .replace("50, 50", "COUNT, COUNT")
    .replace(f"{USER}", f"{USER} + COUNT")
)


@as_root
def test_wherever_the_threads_run_out_a_start_says_so_in_one_line(tmp_path: Path) -> None:
    places = {"in": {"echo": "127.0.0.1:0"}, "out": {"news": "127.0.0.1:0"}}
    (tmp_path / "a.json").write_text(json.dumps({"connections": places}))
    with ExitStack() as stack:
        started = []
        for count in FEW:
            file = tmp_path / f"svc{count}.py"
            news = "connection_models['out'] = {'news': {'connection_type': 'publisher'}}\n"
            limited = FROM_THE_START.replace("COUNT", str(count))
            file.write_text(limited + REPLYER_FILE + news)
            process = Process("-s", file.name, "-a", "a.json", "-cl", "NONE", cwd=tmp_path)
            started.append(stack.enter_context(process))
        for process in started:
            assert process.wait() == 2, "and not aborted by libzmq"
            (line,) = process.err
            assert line.startswith("sf_actors: ")
            assert "can't start new thread" in line


@as_root
def test_an_interrupt_where_the_threads_run_out_waits_for_none_that_never_began(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.json").write_text('{"connections": {"in": {"echo": "127.0.0.1:0"}}}')
    seed = random.SystemRandom().randrange(2**32)
    draw = random.Random(seed)
    for count in FEW:
        file = tmp_path / f"svc{count}.py"
        said = "print('loading', flush=True)\n"
        file.write_text(FROM_THE_START.replace("COUNT", str(count)) + said + REPLYER_FILE)
        with Process("-s", file.name, "-a", "a.json", "-cl", "NONE", cwd=tmp_path) as process:
            process.wait_for_line("loading")
            # somewhere in what follows: the actors' start, or the end of it
            threading.Event().wait(draw.uniform(0.0, 0.02))
            process.interrupt()
            # by the signal itself, if Python has ended everything else already
            ended = {0, 2, 128 + signal.SIGINT, -signal.SIGINT}
            assert process.wait(AT_ONCE_S) in ended, (seed, process.err)
            assert "Traceback" not in process.err


@as_root
def test_a_start_that_gets_no_thread_leaves_other_services_alone(tmp_path: Path) -> None:
    another = """
    from sf_actors import Service
    from sf_actors.testing import module_of
    def on_request(args):
        if args['n'] == 1:
            reach_limit()
        # its context is the first of its kind in this process
        models = {'out': {'news': {'connection_type': 'publisher'}}}
        places = {'connections': {'out': {'news': '127.0.0.1:0'}}}
        another = Service(module_of('another', connection_models=models), addresses=places)
        try:
            another.run_service()
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        return args
    connection_models['in']['echo']['required_creation_arguments']['on_new_request'] = on_request
    """
    with limited(tmp_path, REPLYER_FILE + dedent(another)) as process:
        address = process.wait_until_ready()["echo.replyer"]
        for number in (1, 2):
            assert ask(address, number)["return_args"] == {"n": number}
            process.wait_for_line("BindError")
        process.interrupt()
        assert process.wait(AT_ONCE_S) == 0
