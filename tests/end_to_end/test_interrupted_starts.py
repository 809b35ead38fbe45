"""Ctrl-C at any moment of a start or a stop in a program: nothing is left, and the next one works.

``SF_ACTORS_INTERRUPTS=300`` makes it a long run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.effort import effort
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TRIES = effort(60, brief=10, variable="SF_ACTORS_INTERRUPTS")

SCRIPT = """
import os, random, signal, sys, threading, time
from sf_actors import Service
from sf_actors.testing import module_of

PATIENCE_S = 10.0
ANY = '127.0.0.1:0'
ADDRESSES = {
    'connections': {'in': {'it': ANY}, 'out': {'news': ANY}},
    'states': {'out': {'book': {'publisher': ANY, 'replyer': ANY}}},
}

def service():
    module = module_of(
        connection_models={
            'in': {'it': {
                'connection_type': 'replyer',
                'required_creation_arguments': {'on_request': lambda args: {}},
            }},
            'out': {'news': {
                'connection_type': 'publisher',
                'optional_creation_arguments': {'wait_after_creation_s': 0.0},
            }},
        },
        state_models={'out': {'book': {'state_type': 'delta_update_out'}}},
        init_function=lambda to_send: time.sleep(0.002),
    )
    return Service(module, addresses=ADDRESSES, console_loglevel=None)

def held():
    return threading.active_count(), len(os.listdir('/proc/self/fd'))

def try_once(seed, before, longest_s):
    rng, one, was_interrupted = random.Random(seed), service(), False
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, longest_s))
            one.run_service()
            one.stop_service()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        was_interrupted = True
    one.stop_service()
    assert one.wait(PATIENCE_S), seed
    assert not one.is_running
    deadline = time.monotonic() + PATIENCE_S
    while any(now > then for now, then in zip(held(), before)):
        assert time.monotonic() < deadline, (seed, held(), before, threading.enumerate())
        time.sleep(0.005)
    return was_interrupted

first = int(sys.argv[2])
took_s = []
for _ in range(3):
    began = time.monotonic()
    with service():
        pass
    took_s.append(time.monotonic() - began)
before = held()
signal.signal(signal.SIGALRM, signal.default_int_handler)
interrupted = sum(
    try_once(seed, before, min(took_s)) for seed in range(first, first + int(sys.argv[1]))
)
with service() as last:
    print('interrupted', interrupted, last.is_running, flush=True)
"""


def test_nothing_is_left_behind_and_the_next_one_starts(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    first = int.from_bytes(os.urandom(3))
    print(f"seeds from {first}")  # noqa: T201 - shown when the test fails
    with Process("script.py", str(TRIES), str(first), module=None, cwd=tmp_path) as process:
        line = process.wait_for_line("interrupted", timeout_s=30 + TRIES)
        assert process.wait() == 0, process.err
    _, count, is_running = line.split()
    assert int(count) > 0
    assert is_running == "True"
