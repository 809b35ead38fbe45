"""What every test is held to: it leaves no thread, socket, descriptor or actor behind."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from pykka import ActorRegistry

from sf_actors.lifecycle import stop
from tests.support.effort import IS_FULL
from tests.support.ports import held_port
from tests.support.services import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The files that take longest, from the longest on; told by `pytest --durations=0`.
SLOWEST = (
    "fleet/ray/test_on_ray.py",
    "conformance/test_placements.py",
    "benchmarks/test_run.py",
    "replication/test_machine.py",
    "security/test_conversations.py",
    "security/test_chosen_keys.py",
    "replicas/test_joins.py",
)

#: What hypothesis tries of a test that says no number, if not the hundred of a full effort. How
#: long an example takes says nothing on a busy machine; in CI hypothesis itself assumes that.
settings.register_profile(
    "brief", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
if not IS_FULL:
    settings.load_profile("brief")

#: How long a thread that was told to end may take, in seconds.
ENDING_S = 5.0


#: Where the processes of the tests have their inspectors' sockets, if that is ours.
RUNTIME_DIR = "SF_ACTORS_RUNTIME_DIR"
OWN_FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Let workers take files in the order that `pytest_collection_modifyitems` gives.

    By default pytest-xdist begins with the files of the most tests, which leaves those of few long
    ones to the end, when all other workers have nothing left to do.
    """
    # as nohup and a shell in the background leave them; services of the tests are to see them
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if RUNTIME_DIR not in os.environ:
        # what processes of the tests leave behind as they are killed is nobody else's
        config.stash[OWN_FOLDER] = os.environ[RUNTIME_DIR] = tempfile.mkdtemp(prefix="sfa")


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of `-n auto`: most of the time they wait for processes."""
    given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(given) if given else 3 * (os.cpu_count() or 1)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of the inspectors' sockets."""
    if OWN_FOLDER in config.stash:
        shutil.rmtree(config.stash[OWN_FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def open_descriptors() -> dict[str, str]:
    """Return the open descriptors of this process with what they are."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the one that listed the folder
    return found


def held() -> set[str]:
    """Return what this process holds that has to be given back."""
    found = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    found |= {f"actor {ref} {ref.actor_urn}" for ref in ActorRegistry.get_all()}
    return found | {f"descriptor {fd}: {what}" for fd, what in open_descriptors().items()}


def end_inspector_of_command_line() -> None:
    """End what the command line keeps to the end of its process, if a test was one."""
    presence = sys.modules.get("sf_actors.inspection.presence")
    host = sys.modules.get("sf_actors.inspection.host")
    if presence is not None and presence.PRESENCE.is_wanted:
        presence.PRESENCE.is_wanted = False
        if host is not None:
            host.HOST.leave(presence.PRESENCE)


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, descriptor or actor behind.

    ZeroMQ's sockets and contexts hold descriptors, so they are seen as well.
    """
    threads, before = set(threading.enumerate()), held()
    yield
    end_inspector_of_command_line()
    if held() - before:
        # what ends at this moment may end, and what only cycles hold is collected
        deadline = monotonic() + ENDING_S
        for thread in set(threading.enumerate()) - threads:
            thread.join(ENDING_S)
        gc.collect()
        # libraries have threads that are not Python's, which close descriptors a little later
        while held() - before and monotonic() < deadline:
            sleep(0.01)
    left = held() - before
    assert not left, f"left behind: {sorted(left)}"


@pytest.fixture
def new_address() -> Iterator[Callable[[], str]]:
    """Give what returns addresses for who must be told one; the test's own until its end."""
    with ExitStack() as held:
        yield lambda: f"127.0.0.1:{held.enter_context(held_port())}"


@pytest.fixture
def interrupted_soon(monkeypatch: pytest.MonkeyPatch) -> float:
    """Give the deadline of a stop, far longer than necessary, that interrupts user code at once.

    Half of a deadline is what user code has to end once it is interrupted: where it is short, a
    busy machine has let it pass.
    """
    monkeypatch.setattr(stop, "INTERRUPTS", (0.02, 0.5, 0.9))
    return 20.0


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a handler that waits, and let it end with the test."""
    made = Gate()
    yield made
    made.may_end.set()
