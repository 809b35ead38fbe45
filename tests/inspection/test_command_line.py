"""The inspector of a process of the command line."""

from __future__ import annotations

import signal
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sf_actors.version import VERSION
from tests.inspection.asking import address_in, asker_of, sockets_in
from tests.support.effort import IS_FULL
from tests.support.processes import Process
from tests.support.services import REPLYER_FILE
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STUCK_FILE = (
    REPLYER_FILE
    + f"""
def init_function():
    while True:
        {"pass" if IS_FULL else "__import__('time').sleep(0.01)"}
"""
)


def service_file(folder: Path, text: str = REPLYER_FILE) -> list[str]:
    """Return the arguments that run a service file."""
    (folder / "svc.py").write_text(text)
    (folder / "a.json").write_text('{"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}')
    return ["-s", str(folder / "svc.py"), "-a", str(folder / "a.json")]


def test_a_process_of_the_command_line_answers_and_leaves_no_file(
    tmp_path: Path, folder: Path
) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker:
            assert asker.ask("ping") == {
                "pid": process.popen.pid,
                "version": VERSION,
                "services": ["svc"],
            }
            assert asker.ask("stats", service="svc")["service"]["phase"] == "READY"
            assert asker.ask("info", service="svc")["file"] == str(tmp_path / "svc.py")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0
    assert sockets_in(folder) == []


def test_it_answers_while_init_function_is_stuck_and_names_its_line(
    tmp_path: Path, folder: Path
) -> None:
    with Process(*service_file(tmp_path, STUCK_FILE)) as process:
        with asker_of(address_in(folder)) as asker:
            running = until(lambda: asker.ask("stats", service="svc")["running"])
        last = len(STUCK_FILE.splitlines())
        assert running[0]["model"] == "init_function"
        assert running[0]["since_s"] > 1
        assert running[0]["at"] in {f"{tmp_path}/svc.py:{line}" for line in (last - 1, last)}
        process.popen.kill()


STUCK_HANDLER = """
def on_request(args):
    while args['n']:
        pass
    return {'n': 0}
connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'required_arguments': {'n': int},
    'required_return_arguments': {'n': int},
}}}
"""


def test_it_answers_soon_while_a_handler_is_stuck_in_a_loop_and_names_the_line(
    tmp_path: Path, folder: Path
) -> None:
    with Process(*service_file(tmp_path, STUCK_HANDLER)) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker, asker_of(address_in(folder)) as other:
            other.send("ask", service="svc", model="echo", args={"n": 1}, timeout_s=60)
            running = until(lambda: asker.ask("stats", service="svc")["running"])
            assert running[0]["model"] == "echo"
            assert running[0]["at"] in {f"{tmp_path}/svc.py:3", f"{tmp_path}/svc.py:4"}
            took = []
            for _ in range(10):
                began = monotonic()
                asker.ask("stats")
                asker.ask("info", service="svc")
                took.append(monotonic() - began)
            # both together, on whatever machine: the quickest tells what it takes
            assert min(took) < 0.2
        process.popen.kill()


def test_a_coroutine_that_is_stuck_has_its_line_named(tmp_path: Path, folder: Path) -> None:
    text = STUCK_HANDLER.replace("def on_request", "import asyncio\nasync def on_request").replace(
        "pass", "await asyncio.sleep(0.01)"
    )
    with Process(*service_file(tmp_path, text)) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker, asker_of(address_in(folder)) as other:
            other.send("ask", service="svc", model="echo", args={"n": 1}, timeout_s=60)
            running = until(lambda: asker.ask("stats", service="svc")["running"])
            assert running[0]["at"] == f"{tmp_path}/svc.py:5"
        process.popen.kill()


def test_a_service_that_fails_to_load_ends_its_process_and_leaves_no_file(
    tmp_path: Path, folder: Path
) -> None:
    with Process(*service_file(tmp_path, "raise ValueError('no')")) as process:
        assert process.wait() == 2
    assert folder.exists()
    assert sockets_in(folder) == []


def test_the_command_shows_values_of_flags_of_ours_alone(tmp_path: Path, folder: Path) -> None:
    arguments = [*service_file(tmp_path), "--token", "secret", "--offset=-5", "--name", "desk"]
    with Process(*arguments) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker:
            info = asker.ask("info", service="desk")
        process.popen.kill()
    paths = f"-s {tmp_path}/svc.py -a {tmp_path}/a.json"
    assert info["command"] == f"sf_actors {paths} --token … --offset=… --name desk"
    assert set(info["config"]) == {"token", "offset"}


def test_it_is_there_until_the_process_ends_not_only_the_service(
    tmp_path: Path, folder: Path
) -> None:
    text = REPLYER_FILE + (
        "import threading, time\n"
        "def init_function():\n"
        "    threading.Thread(target=time.sleep, args=(3,)).start()\n"
    )
    with Process(*service_file(tmp_path, text)) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker:
            process.interrupt(signal.SIGTERM)
            until(lambda: asker.ask("ping")["services"] == [], "the end of the service")
        assert process.wait() == 0
    assert sockets_in(folder) == []


def test_a_stop_from_the_shell_is_a_clean_end(tmp_path: Path, folder: Path) -> None:
    text = REPLYER_FILE + "def sigterm_handler(signum, frame):\n    print('hook', flush=True)\n"
    with Process(*service_file(tmp_path, text)) as process:
        process.wait_until_ready()
        with asker_of(address_in(folder)) as asker:
            assert asker.ask("stop", service="svc") == {"stopping": True}
        assert process.wait() == 0
        assert process.out == []


def test_it_can_be_turned_off(tmp_path: Path, folder: Path) -> None:
    with Process(*service_file(tmp_path), env={"SF_ACTORS_INSPECT": "0"}) as process:
        process.wait_until_ready()
        assert not folder.exists()
        process.interrupt()
        assert process.wait() == 0
