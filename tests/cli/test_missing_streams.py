"""A process that is started without standard streams: it runs, and its status is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
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
import sys

def on_request():
    print('to standard output')
    print('to standard error', file=sys.stderr)
    return {'fileno': sys.stdout.fileno()}

connection_models = {'in': {'it': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_request': on_request},
    'optional_return_arguments': {'fileno': int},
}}}
"""

CLOSED = [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"]


def started(folder: Path, closed: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = f"exec {sys.executable} -m sf_actors {' '.join(arguments)} {closed}"
    return subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("closed", CLOSED)
def test_a_service_without_them_answers_and_ends_with_0(tmp_path: Path, closed: str) -> None:
    (tmp_path / "svc.py").write_text(SERVICE)
    with held_port() as port:
        address = {"connections": {"in": {"it": f"127.0.0.1:{port}"}}}
        (tmp_path / "a.json").write_text(json.dumps(address))
        running = started(tmp_path, closed, "-s", "svc.py", "-a", "a.json")
        with bare(zmq.REQ, connect=f"tcp://127.0.0.1:{port}") as asking:
            asking.rcvtimeo = int(PATIENCE_S * 1000)  # until the process has started
            for _ in range(3):
                assert ask(asking, {"args": {}})["return_args"] == {"fileno": 1}
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, err
    assert (out == b"") is (">&-" in closed.replace("2>&-", ""))
    assert (err == b"") is ("2>&-" in closed)


@pytest.mark.parametrize("closed", CLOSED)
def test_an_error_at_the_start_is_told_on_standard_error_or_nowhere(
    tmp_path: Path, closed: str
) -> None:
    running = started(tmp_path, closed, "-s", "nosuch.py")
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 2
    assert out == b""
    assert (b"no service file" in err) is ("2>&-" not in closed)
