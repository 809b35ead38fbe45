"""The thinnest whole: a request answered over a real socket from the command line."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

ECHO = """
def on_request(args):
    return {'n': args['n'] + 1}

connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'required_arguments': {'n': int},
    'required_return_arguments': {'n': int},
}}}
"""
ASK = """
connection_models = {'out': {'echo': {
    'connection_type': 'requester',
    'required_arguments': {'n': int},
    'required_return_arguments': {'n': int},
}}}

def main(to_send, config):
    print(to_send('connection', 'echo', {'n': 41})['n'])
"""


def test_a_request_from_one_process_is_answered_by_another(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "ask.py").write_text(ASK)
    served = {"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}
    (tmp_path / "echo.json").write_text(json.dumps(served))
    with Process("-s", "echo.py", "-a", "echo.json", cwd=tmp_path) as echo:
        address = echo.wait_until_ready()["echo.replyer"]
        asked = {"connections": {"out": {"echo": {"requester": address}}}}
        (tmp_path / "ask.json").write_text(json.dumps(asked))
        with Process("-s", "ask.py", "-a", "ask.json", "-m", cwd=tmp_path) as ask:
            assert ask.wait() == 0
            assert ask.out == ["42"]
        echo.interrupt(signal.SIGINT)
        assert echo.wait() == 0
