"""Interrupts of user code in a program whose threads are traced, as by coverage or a debugger."""

from __future__ import annotations

import pytest

from tests.support.processes import Process

#: Stops a main that has to be interrupted, then calls functions in another traced thread.
PROGRAM = """
import sys, threading, time
from sf_actors import Service
from sf_actors.testing import module_of

def observer(*_event):
    return observer

threading.{0}(observer)
sys.{0}(observer)

def main():
    while True:
        time.sleep(0.005)

for _ in range(2):
    service = Service(module_of(main=main), stop_timeout_s=1, console_loglevel=None)
    service.run_service_as_main()
    service.stop_service()
    print(service.failure, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["settrace", "setprofile"])
def test_a_traced_main_is_interrupted_and_the_stop_ends(kind: str) -> None:
    with Process("-c", PROGRAM.format(kind), module=None) as process:
        assert process.wait() == 0, process.err
        assert process.out == ["None"] * 2
