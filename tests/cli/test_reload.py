"""`-s svc.py --reload`: a service that runs again when its files change."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.bytecode import compile_file, replace, replace_unseen
from tests.support.processes import Process
from tests.support.shell import ran, ran_here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SERVICE = """
import words

def on_request():
    return {'text': words.TEXT}

connection_models = {'in': {'say': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_request': on_request},
    'required_return_arguments': {'text': str},
}}}
"""


@pytest.fixture
def reloading(tmp_path: Path, folder: Path) -> Iterator[Process]:
    """Give a service that says a word of a module beside it."""
    (tmp_path / "svc.py").write_text(SERVICE)
    (tmp_path / "words.py").write_text("TEXT = 'one'")
    (tmp_path / "a.json").write_text('{"connections": {"in": {"say": "127.0.0.1:0"}}}')
    arguments = ["-s", "svc.py", "-a", "a.json", "--reload"]
    # without the package's folder in the environment nothing is found: cwd is another one
    with Process(*arguments, cwd=tmp_path) as process:
        process.wait_until_ready()
        yield process
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0
    assert not list(folder.iterdir())


def said() -> str:
    found = ran_here("call", "svc/say", "--json")
    assert found.status == 0, found.err
    return str(found.objects[0]["text"])


def test_a_changed_module_of_its_folder_runs_it_again(reloading: Process, tmp_path: Path) -> None:
    assert said() == "one"
    replace(tmp_path / "words.py", "TEXT = 'two'")
    reloading.wait_for_line("words.py has changed")
    reloading.wait_until_ready()

    assert said() == "two"


def test_a_text_of_the_same_size_and_second_is_told_from_the_old_one(
    reloading: Process, tmp_path: Path
) -> None:
    words = tmp_path / "words.py"
    # as another run of the service would have left it
    compile_file(words)
    replace_unseen(words, "TEXT = 'two'")
    reloading.wait_for_line("words.py has changed")
    reloading.wait_until_ready()

    assert said() == "two"


def test_one_that_does_not_load_leaves_the_old_one_running_and_says_so(
    reloading: Process, tmp_path: Path
) -> None:
    replace(tmp_path / "words.py", "TEXT = ")
    reloading.wait_for_line("svc.py does not load; the old one runs on")
    assert said() == "one"
    replace(tmp_path / "words.py", "TEXT = 'mended'")
    reloading.wait_until_ready()

    assert said() == "mended"


def test_changed_addresses_run_it_again(reloading: Process, tmp_path: Path) -> None:
    renamed = tmp_path / "new.json"
    renamed.write_text('{"connections": {"in": {"say": "localhost:0"}}}')
    renamed.replace(tmp_path / "a.json")
    reloading.wait_for_line("a.json has changed")

    assert "localhost:" in str(reloading.wait_until_ready())


def test_ctrl_c_reaches_the_service_once(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("TEXT = 'one'")
    (tmp_path / "svc.py").write_text(
        SERVICE + "\ndef sigint_handler():\n    print('interrupted', flush=True)\n"
    )
    (tmp_path / "a.json").write_text('{"connections": {"in": {"say": "127.0.0.1:0"}}}')
    with Process("-s", "svc.py", "-a", "a.json", "--reload", cwd=tmp_path) as process:
        process.wait_until_ready()
        process.interrupt(signal.SIGINT)
        assert process.wait() == 0
    assert process.out.count("interrupted") == 1


def test_one_that_does_not_load_at_the_start_is_exit_status_2(tmp_path: Path) -> None:
    found = ran("-s", "nosuch.py", "--reload", cwd=tmp_path)

    assert found.status == 2
    assert "no service file" in found.err


def test_a_signal_while_a_file_is_loaded_ends_it_at_once(tmp_path: Path) -> None:
    text = "import sys, time\nprint('loading', file=sys.stderr)\ntime.sleep(60)\n"
    (tmp_path / "svc.py").write_text(text)
    with Process("-s", "svc.py", "--reload", cwd=tmp_path) as process:
        process.wait_for_line("loading")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0


def test_a_thread_that_the_file_starts_does_not_keep_it_from_being_run(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import threading

has_run = threading.Event()
threading.Thread(target=has_run.wait).start()

def main():
    has_run.set()
    print('runs', flush=True)
"""
    )
    with Process("-s", "svc.py", "-m", "--reload", cwd=tmp_path) as process:
        process.wait_for_line("runs")
        process.wait_for_line("svc.py has ended with 0; waiting for a change")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0
