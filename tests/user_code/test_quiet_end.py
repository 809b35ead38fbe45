"""A thread of user code that ends by the stop says nothing; all others are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SERVICE = """
import threading
from sf_actors import ServiceStopped

connection_models = {'out': {'news': {'connection_type': 'publisher'}}}

def main(to_send):
    def work():
        %s
    thread = threading.Thread(target=work)
    thread.start()
    print('begun', flush=True)
    thread.join()
    print('worker ended', flush=True)
"""


def errors_of(folder: Path, work: str) -> list[str]:
    (folder / "svc.py").write_text(SERVICE % work)
    (folder / "a.json").write_text('{"connections": {"out": {"news": "127.0.0.1:0"}}}')
    with Process("-s", "svc.py", "-m", "-a", "a.json", "-cl", "WARNING", cwd=folder) as process:
        process.wait_for_line("begun")
        process.interrupt()
        assert process.wait() == 0
        assert process.out == ["begun", "worker ended"]
        return process.err


def test_a_thread_that_ends_by_the_stop_says_nothing(tmp_path: Path) -> None:
    assert errors_of(tmp_path, "while True: to_send('news', {})") == []


def test_a_thread_that_ends_by_another_error_is_told_of(tmp_path: Path) -> None:
    told = errors_of(tmp_path, "raise ValueError('mine')")
    assert any("ValueError" in line for line in told)
