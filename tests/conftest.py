"""What every test is held to: it leaves no thread, socket, descriptor or actor behind."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING

import pytest
from pykka import ActorRegistry

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


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, descriptor or actor behind.

    ZeroMQ's sockets and contexts hold descriptors, so they are seen as well.
    """
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    actors = {ref.actor_urn for ref in ActorRegistry.get_all()}
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        thread.join(ENDING_S)
    left = [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
    left += [f"actor {r}" for r in ActorRegistry.get_all() if r.actor_urn not in actors]
    left += [
        f"descriptor {fd}: {what}"
        for fd, what in open_descriptors().items()
        if descriptors.get(fd) != what
    ]
    assert not left, f"left behind: {left}"
