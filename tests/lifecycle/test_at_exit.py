"""A process that ends while services run stops them first, whatever still waits for them."""

from __future__ import annotations

import pytest

from tests.support.processes import Process

#: A service of one timer, in a program whose own lines follow.
PROGRAM = """
import threading
from sf_actors import Service
from sf_actors.testing import module_of

model = {
    'connection_type': 'timer',
    'required_creation_arguments': {'on_time': lambda args: None, 'every_s': 60},
}
service = Service(module_of(connection_models={'in': {'clock': model}}), stop_timeout_s=5)
"""

pytestmark = pytest.mark.slow


def lines_of(program: str) -> list[str]:
    """Run a program to its end, and return its lines on standard error."""
    with Process("-c", PROGRAM + program, module=None) as process:
        assert process.wait() == 0
        return process.err


@pytest.mark.parametrize("job", ["wait", "states.wait", "run_service_blocking"])
def test_a_pool_of_threads_that_was_imported_later_and_waits_for_the_service_does_not_keep_it(
    job: str,
) -> None:
    runs_itself = job == "run_service_blocking"
    lines = lines_of(f"""
import time
if not {runs_itself}:
    service.run_service()
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
pool.submit(service.{job})
while service.stats()['phase'] != 'READY':
    time.sleep(0.01)
""")
    assert [line for line in lines if '"stopped"' in line]


def test_a_service_that_a_thread_starts_after_the_main_one_has_ended_is_stopped_too() -> None:
    lines = lines_of("""
def late():
    threading.main_thread().join()
    service.run_service()

threading.Thread(target=late).start()
""")
    assert [line for line in lines if '"stopped"' in line]


def test_the_package_can_be_imported_and_used_after_the_main_thread_has_ended() -> None:
    program = f"""
import threading

def late():
    threading.main_thread().join()
    exec({PROGRAM!r}, globals())
    service.run_service()

threading.Thread(target=late).start()
"""
    with Process("-c", program, module=None) as process:
        assert process.wait() == 0
        assert [line for line in process.err if '"stopped"' in line], process.err
