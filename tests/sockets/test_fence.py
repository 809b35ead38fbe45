"""The fence: it waits for libzmq's own thread, in every circumstance, and leaves nothing behind."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.errors import BindError
from sf_actors.sockets import fence
from sf_actors.sockets.fence import Fence

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.term()


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_can_be_waited_for_again_and_again(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    made = Fence(context)
    made.wait()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(200):
        made.wait()

    assert len(os.listdir("/proc/self/fd")) == before
    made.close()
    made.close()


def test_it_needs_no_descriptor_to_be_waited_for(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    made = Fence(context)
    with no_descriptor_left():
        made.wait()
        made.wait()
    made.close()


def test_one_that_finds_no_descriptor_is_refused(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    context.socket(zmq.PAIR).close()  # the threads of the context start with it
    with no_descriptor_left(), pytest.raises(BindError, match="no descriptor"):
        Fence(context)


def test_a_thread_that_does_nothing_is_told(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # to connect within the process is no work for libzmq's thread: as if it were stuck
    monkeypatch.setattr(fence, "_NOWHERE", "inproc://nowhere")
    monkeypatch.setattr(fence, "TIMEOUT_S", 0)
    made = Fence(context)
    with pytest.raises(TimeoutError, match="did nothing"):
        made.wait()
    made.close()
