"""What every test is held to: it leaves no thread, socket, descriptor or actor behind."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING

import pytest
from pykka import ActorRegistry

from tests.support.services import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long a thread that was told to end may take, in seconds.
ENDING_S = 5.0


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


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, descriptor or actor behind.

    ZeroMQ's sockets and contexts hold descriptors, so they are seen as well.
    """
    threads, before = set(threading.enumerate()), held()
    yield
    if held() - before:
        # what ends at this moment may end, and what only cycles hold is collected
        for thread in set(threading.enumerate()) - threads:
            thread.join(ENDING_S)
        gc.collect()
    left = held() - before
    assert not left, f"left behind: {sorted(left)}"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a handler that waits, and let it end with the test."""
    made = Gate()
    yield made
    made.may_end.set()
