"""Ctrl-C at any moment of a call: none is left under way, and others go on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SCRIPT = """
import os, random, signal, sys, threading, time
from sf_actors import Service
from sf_actors.testing import module_of

replyer = {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_request': lambda args: time.sleep(0.0005)},
}
served = Service(
    module_of(connection_models={'in': {'it': replyer}}),
    addresses={'connections': {'in': {'it': '127.0.0.1:0'}}}, console_loglevel=None,
)
with served:
    asking = Service(
        module_of(connection_models={'out': {'it': {'connection_type': 'requester'}}}),
        addresses={'connections': {'out': served.addresses['connections']['in']}},
        console_loglevel=None,
    )
    with asking:
        ask, random_ = lambda: asking.to_send('it', {}), random.Random(int(sys.argv[2]))
        for _ in range(20):
            ask()
        first = threading.Thread(target=ask)
        first.start()
        first.join()
        before, interrupted = len(os.listdir('/proc/self/fd')), 0
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        for _ in range(int(sys.argv[1])):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random_.uniform(0.00002, 0.002))
                    ask()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
        ask()
        other = threading.Thread(target=ask, daemon=True)
        other.start()
        other.join(10)
        numbers = asking.stats()['connections']['out']['it']
        grown = len(os.listdir('/proc/self/fd')) - before
        began = time.monotonic()
    seconds = time.monotonic() - began
print('ended', interrupted, numbers['in_flight'], grown, other.is_alive(), seconds < 8, flush=True)
"""

TRIES = 500


def test_nothing_is_left_of_calls_that_were_broken_off(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    seed = int.from_bytes(os.urandom(3))
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    with Process("script.py", str(TRIES), str(seed), module=None, cwd=tmp_path) as process:
        line = process.wait_for_line("ended")
        assert process.wait() == 0
    _, interrupted, in_flight, grown, is_stuck, was_quick = line.split()
    assert int(interrupted) > TRIES // 10
    assert (in_flight, is_stuck, was_quick) == ("0", "False", "True")
    assert int(grown) <= 0
