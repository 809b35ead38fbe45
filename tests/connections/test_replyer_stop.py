"""The last look of a replyer that stops: as long as somebody could still send."""

from __future__ import annotations

from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.connections.replyer import QUIET_S
from sf_actors.testing import running
from tests.support.bare_sockets import ask, bare
from tests.support.models import at, endpoint_of, replyer, service

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = ("127.0.0.1:0", "ipc://{}/it", "inproc://last-look")


def stop_s(address: str, *, is_called: bool) -> float:
    """Return how long a stop takes, in seconds; one that is called has a peer to the end."""
    with ExitStack() as stack:
        served = stack.enter_context(
            running(
                service("it", {"it": replyer(lambda args: None)}), addresses=at({"it": address})
            )
        )
        if is_called:
            asking = stack.enter_context(bare(zmq.REQ, connect=endpoint_of(served, "it")))
            ask(asking, {"args": {}})
        began = perf_counter()
        served.stop_service()
        return perf_counter() - began


@pytest.mark.parametrize("address", ADDRESSES)
def test_without_a_peer_it_takes_no_time(address: str, tmp_path: Path) -> None:
    # other work of the machine may make one take longer
    assert min(stop_s(address.format(tmp_path), is_called=False) for _ in range(5)) < QUIET_S / 2


@pytest.mark.parametrize("address", ADDRESSES[:2])
def test_with_a_peer_it_lasts_until_nothing_has_come_for_a_while(
    address: str, tmp_path: Path
) -> None:
    assert stop_s(address.format(tmp_path), is_called=True) >= QUIET_S
