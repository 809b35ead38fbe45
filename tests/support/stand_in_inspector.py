"""A fake inspector on a bare ROUTER socket, which answers as a test wants, or not at all."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    #: Returns the reply to the arguments of a question, None for no reply.
    Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


@contextmanager
def stand_in(folder: Path, answer: Answer, *, name: str = "desk") -> Iterator[Path]:
    """Yield the socket of an inspector that answers with a function, in a thread of its own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{os.getpid()}-abcd-{name}.sock"
    context = zmq.Context()
    stopping, stop = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    router = context.socket(zmq.ROUTER)
    for one in (stopping, stop, router):
        one.linger = 0
    stopping.bind("inproc://stop")
    stop.connect("inproc://stop")
    router.bind(f"ipc://{path}")

    def run() -> None:
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(stopping, zmq.POLLIN)
        while stopping not in (ready := dict(poller.poll())):
            if router in ready:
                *way, packed = router.recv_multipart()
                question = msgspec.msgpack.decode(packed)
                reply = answer(question["args"])
                if reply is not None:
                    reply |= {"workflow_id": question["workflow_id"]}
                    router.send_multipart([*way, msgspec.msgpack.encode(reply)])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield path
    finally:
        stop.send(b"")
        thread.join()
        for one in (stopping, stop, router):
            one.close()
        context.term()
        path.unlink(missing_ok=True)
