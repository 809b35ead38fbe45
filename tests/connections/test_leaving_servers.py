"""A requester is sent elsewhere at the moment in which the one before leaves."""

from __future__ import annotations

from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

import msgpack  # type: ignore[import-untyped]
import pytest
import zmq

from tests.support.bare_sockets import bare
from tests.support.doubling_service import asking
from tests.support.effort import effort
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bare_sockets import Socket

#: Without a monitor that is stopped in time one in some hundred ended all connections.
ROUNDS = effort(1_000, brief=150)


def answer(server: Socket) -> None:
    *back, _ = server.recv_multipart()
    server.send_multipart([*back, msgpack.packb({"return_args": {"n": 1}})])


@pytest.mark.slow
def test_a_server_that_leaves_while_its_connection_is_closed_ends_no_other(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/"
    with (
        bare(zmq.ROUTER, bind=f"{address}0") as first,
        asking(f"{address}0", timeout_s=PATIENCE_S) as ours,
    ):
        call = Thread(target=answer, args=(first,))
        call.start()
        assert ours.ask(0) == {"n": 1}
        call.join()
        before = first
        for number in range(1, ROUNDS):
            there = f"{address}{number}"
            server = first.context.socket(zmq.ROUTER)
            server.linger, server.rcvtimeo = 0, int(PATIENCE_S * 1_000)
            try:
                server.bind(there)
                leaving = Thread(target=leave, args=(before, number % 20 * 5e-5))
                leaving.start()
                ours.service.connect("connections", "out", "ask", there)
                call = Thread(target=answer, args=(server,))
                call.start()
                assert ours.ask(0) == {"n": 1}, number
                call.join()
                leaving.join()
            except BaseException:
                server.close()
                raise
            before = server
        before.close()


def leave(server: Socket, after_s: float) -> None:
    # not for something to happen: the moments are to differ
    sleep(after_s)
    server.close()
