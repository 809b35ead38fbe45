"""Forks of a process in which a service runs: the child has nothing of it, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zmq

from tests.support.bare_sockets import ask, bare
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: What a child tries, and that each is refused at once.
TRIES = """
import os, sys
from sf_actors import UsageError

def refusals(to_send, states, service=None):
    tries = [
        lambda: to_send('asked', {}), lambda: states['book'], lambda: list(states),
        lambda: states.status('book'), lambda: states.wait(timeout_s=0),
    ]
    if service is not None:
        tries += [
            lambda: service.to_send, lambda: service.states, service.stats, service.run_service,
            lambda: service.connect('connections', 'out', 'asked', '127.0.0.1:1'),
            service.begin_stop, lambda: service.stop_by_signal(15, None),
        ]
    found = []
    for one in tries:
        try:
            one()
        except UsageError as error:
            found.append(str(error).partition(':')[0])
    return found

ASKED = {'connection_type': 'requester', 'optional_creation_arguments': {'timeout_s': 60}}
BOOK = {'state_type': 'delta_update_in', 'optional_arguments': {'n': int}}
"""

ADDRESSES = """{
"connections": {"in": {"it": "127.0.0.1:0"}, "out": {"asked": "127.0.0.1:1"}},
"states": {"in": {"book": {"subscriber": "127.0.0.1:1", "requester": "127.0.0.1:1"}}}}
"""


def test_all_of_a_service_refuses_the_child_at_once_and_its_end_does_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "script.py").write_text(
        TRIES
        + f"""
from sf_actors import Service
from sf_actors.testing import module_of

module = module_of(
    connection_models={{'out': {{'asked': ASKED}}}}, state_models={{'in': {{'book': BOOK}}}}
)
addresses = {ADDRESSES.replace('"in": {"it": "127.0.0.1:0"}, ', "")}
with Service(module, addresses=addresses, console_loglevel=None) as service:
    to_send, states = service.to_send, service.states
    child = os.fork()
    if child == 0:
        print(len(refusals(to_send, states, service)), service.is_running, service.wait(0))
        service.stop_service()
        sys.exit(3)
    print('child', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), service.is_running)
"""
    )
    with Process("script.py", module=None, cwd=tmp_path) as process:
        assert process.wait() == 0, process.err
        assert sorted(process.out) == ["12 False True", "child 3 True"]


@pytest.mark.parametrize(
    ("ending", "status"),
    [("return {}", 0), ("raise ValueError('mine')", 1), ("sys.exit(7)", 7), ("os._exit(9)", 9)],
)
def test_a_child_whose_handler_comes_back_ends_and_the_parent_answers(
    tmp_path: Path, ending: str, status: int
) -> None:
    (tmp_path / "svc.py").write_text(
        TRIES
        + f"""
def handle(to_send, states):
    child = os.fork()
    if child == 0:
        print('refused', len(refusals(to_send, states)), flush=True)
        {ending}
    return {{'status': os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}}

connection_models = {{
    'in': {{'it': {{
        'connection_type': 'replyer',
        'required_creation_arguments': {{'on_new_request': handle}},
        'optional_return_arguments': {{'status': int}},
    }}}},
    'out': {{'asked': ASKED}},
}}
state_models = {{'in': {{'book': BOOK}}}}
"""
    )
    (tmp_path / "a.json").write_text(ADDRESSES)
    with Process("-s", "svc.py", "-a", "a.json", cwd=tmp_path) as process:
        address = process.wait_until_ready()["it.replyer"]
        with bare(zmq.REQ, connect=f"tcp://{address}") as asking:
            for _ in range(2):
                assert ask(asking, {"args": {}})["return_args"] == {"status": status}
        process.interrupt()
        assert process.wait() == 0
    assert process.out == ["refused 5", "refused 5"]
    assert any("ValueError: mine" in line for line in process.err) is (status == 1)


def test_a_child_that_leaves_main_ends_there(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
import os
def main():
    child = os.fork()
    if child == 0:
        print('child')
        return
    print('child ended with', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        assert process.wait() == 0
    assert sorted(process.out) == ["child", "child ended with 0"]
