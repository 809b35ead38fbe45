"""The inspector of a process of the command line."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from sf_actors.version import VERSION
from tests.inspection.asking import address_in, asker_of, sockets_in
from tests.support.processes import Process
from tests.support.services import REPLYER_FILE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STUCK_FILE = (
    REPLYER_FILE
    + """
def init_function():
    while True:
        pass
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
            while not (running := asker.ask("stats", service="svc")["running"]):
                pass
        last = len(STUCK_FILE.splitlines())
        assert running[0]["model"] == "init_function"
        assert running[0]["since_s"] > 1
        assert running[0]["at"] in {f"{tmp_path}/svc.py:{line}" for line in (last - 1, last)}
        process.popen.kill()
