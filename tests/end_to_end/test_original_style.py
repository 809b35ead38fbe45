"""Service files in the style of service_framework, which ask at once after they have told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import held_port
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ROUNDS = 200

KEEPER = """
state_models = {
    'in': {
        'balances': {
            'state_type': 'delta_update',
            'required_creation_arguments': {},
            'required_state_arguments': {'current_num': int, 'is_snapshot': bool},
            'required_arguments': {'state': dict},
        },
    },
}

def on_request(args, to_send, states, config):
    return {'balances': dict(states['balances'])}

connection_models = {
    'in': {
        'report': {
            'connection_type': 'replyer',
            'required_creation_arguments': {'connection_function': on_request},
            'required_arguments': {},
            'required_return_arguments': {'balances': dict},
        },
    },
}
"""

TELLER = f"""
state_models = {{
    'out': {{
        'balances': {{
            'state_type': 'delta_update',
            'required_state_arguments': {{'current_num': int, 'is_snapshot': bool}},
            'required_arguments': {{'state': dict}},
        }},
    }},
}}
connection_models = {{
    'out': {{
        'report': {{
            'connection_type': 'requester',
            'required_arguments': {{}},
            'required_return_arguments': {{'balances': dict}},
        }},
    }},
}}

def main(to_send, config):
    def tell(number, state, is_snapshot=False):
        update = {{'current_num': number, 'is_snapshot': is_snapshot, 'state': state}}
        to_send('state', 'balances', update)

    misses = 0
    for n in range({ROUNDS}):
        tell(-1, {{'round': n}}, is_snapshot=True)
        misses += to_send('connection', 'report', {{}})['balances'] != {{'round': n}}
        # what leaves out a number is fetched, at a bounded rate
        for number in range(n % 50 == 0, 3):
            tell(number, {{'last': number}})
        misses += to_send('connection', 'report', {{}})['balances'] != {{'round': n, 'last': 2}}
        tell(-100, {{'last': 'never'}})
        misses += to_send('connection', 'report', {{}})['balances'] != {{'round': n, 'last': 2}}
    print('misses', misses, flush=True)
"""


def test_no_answer_misses_what_was_told_before(tmp_path: Path) -> None:
    with held_port() as told, held_port() as snapshots, held_port() as report:
        at = {
            name: f"127.0.0.1:{port}"
            for name, port in zip("tsr", (told, snapshots, report), strict=True)
        }
        (tmp_path / "keeper.py").write_text(KEEPER)
        (tmp_path / "teller.py").write_text(TELLER)
        followed = {"balances": {"subscriber": at["t"], "requester": at["s"]}}
        published = {"balances": {"publisher": at["t"], "replyer": at["s"]}}
        keeper = {
            "states": {"in": followed},
            "connections": {"in": {"report": {"replyer": at["r"]}}},
        }
        teller = {
            "states": {"out": published},
            "connections": {"out": {"report": {"requester": at["r"]}}},
        }
        (tmp_path / "keeper.json").write_text(json.dumps(keeper))
        (tmp_path / "teller.json").write_text(json.dumps(teller))
        with Process("-s", "keeper.py", "-a", "keeper.json", cwd=tmp_path) as keeping:
            keeping.wait_until_ready()
            arguments = ("-s", "teller.py", "-m", "-a", "teller.json", "-cl", "WARNING")
            with Process(*arguments, cwd=tmp_path) as telling:
                assert telling.wait_for_line("misses", 120) == "misses 0"
                assert telling.wait() == 0
