"""Standard error is a pipe that nobody reads: handlers go on, and the stop keeps its deadline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import zmq

from tests.support.bare_sockets import ask, bare
from tests.support.ports import held_port
from tests.support.processes import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SERVICE = """
from sf_actors import get_logger

LOG = get_logger()

def on_request():
    LOG.info('x' * 5000)
    return {}

connection_models = {'in': {'it': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_request': on_request},
}}}
"""


@pytest.mark.parametrize("arguments", [[], ["-l", "svc.log"]])
def test_calls_and_the_stop_go_on(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "svc.py").write_text(SERVICE)
    read_fd, write_fd = os.pipe()
    with held_port() as port:
        address = {"connections": {"in": {"it": f"127.0.0.1:{port}"}}}
        (tmp_path / "a.json").write_text(json.dumps(address))
        running = subprocess.Popen(
            [sys.executable, "-m", "sf_actors", "-s", "svc.py", "-a", "a.json", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=write_fd,
        )
        os.close(write_fd)
        with bare(zmq.REQ, connect=f"tcp://127.0.0.1:{port}") as asking:
            asking.rcvtimeo = int(PATIENCE_S * 3000)  # until the process has started
            for _ in range(100):
                assert ask(asking, {"args": {}})["return_args"] == {}
        began = monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(3 * PATIENCE_S) == 0
        # below the deadline of 10 s
        assert monotonic() - began < 8
    os.close(read_fd)
    if arguments:
        lines = (tmp_path / "svc.log").read_text().splitlines()
        assert sum('"event": "xxx' in line for line in lines) == 100


FAILING = """
from sf_actors import get_logger

def main():
    for _ in range(40):
        get_logger().info('x' * 5000)
    raise {}
"""


@pytest.mark.parametrize("raised", ["ValueError('x')", "SystemExit('text')"])
def test_a_service_that_fails_ends_though_its_error_is_not_read(
    tmp_path: Path, raised: str
) -> None:
    (tmp_path / "svc.py").write_text(FAILING.format(raised))
    read_fd, write_fd = os.pipe()
    running = subprocess.Popen(
        [sys.executable, "-m", "sf_actors", "-s", "svc.py", "-m"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=write_fd,
    )
    os.close(write_fd)
    try:
        assert running.wait(3 * PATIENCE_S) == 1
    finally:
        running.kill()
        running.wait()
        os.close(read_fd)
