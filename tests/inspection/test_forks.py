"""The inspector and forks: the child neither answers nor removes the file."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from sf_actors.inspection.folder import is_refused, remove_if_stale
from tests.inspection.asking import address_in, asker_of, sockets_in
from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Forks a child that stays, or one that ends, or one that looks at itself.
FORKING_FILE = """
import os, sys, time
import sf_actors
def main(to_send, config):
    child = os.fork()
    if child == 0:
        if config['what'] == 'end':
            sys.exit(0)
        if config['what'] == 'own':
            inspection = sf_actors.inspect()
            print('child', inspection.address, flush=True)
            time.sleep(60)
            os._exit(0)
        print('child', os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    if config['what'] == 'end':
        os.waitpid(child, 0)
    print('forked', child, flush=True)
    while True:
        time.sleep(0.1)
        to_send('t', {})
connection_models = {'out': {'t': {
    'connection_type': 'external_target', 'required_creation_arguments': {'target': dict},
}}}
"""


def forking(tmp_path: Path, what: str) -> Process:
    """Return a process that forks."""
    (tmp_path / "svc.py").write_text(FORKING_FILE)
    return Process("-s", str(tmp_path / "svc.py"), "-m", "--what", what)


def child_of(process: Process) -> int:
    """Return the child, once it is there."""
    return int(process.wait_for_line("forked").split()[1])


def test_a_child_that_ends_leaves_the_file_and_the_answers_to_its_parent(
    tmp_path: Path, folder: Path
) -> None:
    with forking(tmp_path, "end") as process:
        child_of(process)
        with asker_of(address_in(folder)) as asker:
            assert asker.ask("ping")["pid"] == process.popen.pid
        process.interrupt()
        assert process.wait() == 0
    assert sockets_in(folder) == []


def test_a_child_does_not_listen_in_the_place_of_a_parent_that_was_killed(
    tmp_path: Path, folder: Path
) -> None:
    with forking(tmp_path, "stay") as process:
        child = child_of(process)
        path = sockets_in(folder)[0]
        assert not is_refused(path)
        process.popen.kill()
        process.popen.wait()
        try:
            until(lambda: is_refused(path), "nobody to listen")
            old = time.time() - 10
            os.utime(path, (old, old))
            assert remove_if_stale(path)
            assert sockets_in(folder) == []
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_may_have_an_inspector_of_its_own(tmp_path: Path, folder: Path) -> None:
    with forking(tmp_path, "own") as process:
        said = process.wait_for_line("child").split()[1]
        with asker_of(said) as asker:
            answer = asker.ask("ping")
        try:
            assert answer["services"] == []
            assert answer["pid"] != process.popen.pid
            assert len(sockets_in(folder)) == 2
        finally:
            os.kill(answer["pid"], signal.SIGKILL)
            process.popen.kill()


def test_a_process_that_is_stopped_listens_and_is_silent(tmp_path: Path, folder: Path) -> None:
    with forking(tmp_path, "end") as process:
        child_of(process)
        address = address_in(folder)
        path = sockets_in(folder)[0]
        freeze(process.popen.pid)
        assert not is_refused(path)
        assert not remove_if_stale(path)
        with asker_of(address) as asker:
            asker.send("ping")
            assert not asker.socket.poll(200)
            process.popen.send_signal(signal.SIGCONT)
            assert asker.receive()["return_args"]["services"] == ["svc"]
        process.popen.kill()


def test_a_full_backlog_is_no_stale_socket(tmp_path: Path, folder: Path) -> None:
    with forking(tmp_path, "end") as process:
        child_of(process)
        path = sockets_in(folder)[0]
        freeze(process.popen.pid)
        waiting = []
        try:
            for _ in range(300):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                waiting.append(one)
                if one.connect_ex(str(path)):
                    break
            assert not is_refused(path)
        finally:
            for one in waiting:
                one.close()
            process.popen.kill()
