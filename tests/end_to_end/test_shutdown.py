"""A process that is told to end while requests are under way over TCP."""

from __future__ import annotations

import signal
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import zmq

from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

REQUESTS = 100
DEADLINE_S = 10

#: While `busy` has its turn, the requests to `echo` are read and wait.
SCRIPT = f"""
import pathlib, threading, time
from sf_actors import Service
from sf_actors.testing import module_of

def busy(args):
    print('its turn', flush=True)
    while not pathlib.Path('go').exists():
        time.sleep(0.01)
    return {{}}

def on_request(args):
    print('handled', args['n'], flush=True)
    return args

def replyer(handler, fields):
    return {{
        'connection_type': 'replyer',
        'required_creation_arguments': {{'on_new_request': handler}},
        'required_arguments': fields,
        'required_return_arguments': fields,
    }}

models = {{'busy': replyer(busy, {{}}), 'echo': replyer(on_request, {{'n': int}})}}
addresses = {{name: {{'replyer': '127.0.0.1:0'}} for name in models}}
service = Service(
    module_of(connection_models={{'in': models}}),
    addresses={{'connections': {{'in': addresses}}}},
    stop_timeout_s={DEADLINE_S},
)

def watch():
    while service.stats()['router']['queued'] < {REQUESTS}:
        time.sleep(0.005)
    print('all wait', flush=True)
    while not service._run.state.actors['connections/in/echo'].is_draining:
        time.sleep(0.005)
    print('nothing new is read', flush=True)

threading.Thread(target=watch, daemon=True).start()
service.run_service_blocking()
"""


def test_sigterm_with_100_requests_in_flight_answers_them_takes_no_new_ones_and_exits_with_0(
    tmp_path: Path,
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    with Process("script.py", module=None, cwd=tmp_path) as process:
        at = process.wait_until_ready()
        with (
            bare(zmq.REQ, connect=f"tcp://{at['busy.replyer']}") as busy,
            bare(zmq.DEALER, connect=f"tcp://{at['echo.replyer']}") as early,
            bare(zmq.DEALER, connect=f"tcp://{at['echo.replyer']}") as late,
        ):
            busy.send(packed({"args": {}}))
            process.wait_for_line("its turn")
            for n in range(REQUESTS):
                early.send_multipart([b"", packed({"args": {"n": n}})])
            process.wait_for_line("all wait")
            process.interrupt(signal.SIGTERM)
            started = monotonic()
            process.wait_for_line("nothing new is read")
            for n in range(REQUESTS, REQUESTS + 20):
                late.send_multipart([b"", packed({"args": {"n": n}})])
            # a stopping replyer answers what comes that nothing was done
            for _ in range(20):
                assert unpacked(late.recv_multipart()[-1])["error"]["unhandled"]
            (tmp_path / "go").touch()
            answers = [unpacked(early.recv_multipart()[-1]) for _ in range(REQUESTS)]
            assert process.wait() == 0
            assert monotonic() - started < DEADLINE_S
            assert [answer["return_args"]["n"] for answer in answers] == list(range(REQUESTS))
            assert unpacked(busy.recv())["return_args"] == {}
            assert not late.poll(0)
    handled = [line for line in process.out if line.startswith("handled")]
    assert handled == [f"handled {n}" for n in range(REQUESTS)]


NEVER = """
import time
def on_never(args):
    print('begun', flush=True)
    while True:
        try: time.sleep(60)
        except BaseException: pass
connection_models = {'in': {'never': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_never},
}}}
"""


def never_ending(folder: Path, deadline_s: float) -> Process:
    (folder / "svc.py").write_text(NEVER)
    (folder / "addresses.json").write_text(
        '{"connections": {"in": {"never": {"replyer": "127.0.0.1:0"}}}}'
    )
    flags = ["-s", "svc.py", "-a", "addresses.json", "--stop_timeout_s", str(deadline_s)]
    return Process(*flags, cwd=folder)


def test_a_handler_that_never_returns_is_exit_status_1_at_the_deadline_and_named(
    tmp_path: Path,
) -> None:
    with never_ending(tmp_path, 1.0) as process:
        at = process.wait_until_ready()
        with bare(zmq.REQ, connect=f"tcp://{at['never.replyer']}") as req:
            req.send(packed({"args": {}}))
            process.wait_for_line("begun")
            process.interrupt(signal.SIGTERM)
            started = monotonic()
            assert process.wait() == 1
        assert 1.0 <= monotonic() - started < 5
        assert any("never" in line and "left behind" in line for line in process.err)
