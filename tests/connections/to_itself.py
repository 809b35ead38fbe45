"""Connects to ports that nobody listens on, where the kernel soon gives them to who connects.

For a process in a network of its own, as of `unshare -rn`: it has few ports for connections that
go out, so that what takes hours elsewhere takes a second here.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path
from time import monotonic, sleep

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.testing import running
from tests.support.bare_sockets import bare
from tests.support.doubling_service import asking, attempt, doubling
from tests.support.models import service
from tests.support.waiting import until

#: outgoing connections take the even ones first
PORTS = range(40_000, 40_010)
ADDRESS = "127.0.0.1:40004"
#: SIOCSIFFLAGS, and the flag that an interface is up
_SET_FLAGS, _UP = 0x8914, 1


def confine() -> None:
    """Give this process's network a loopback interface, and few ports."""
    with socket.socket() as asking:
        fcntl.ioctl(asking, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    # no port is kept for a minute after its connection has ended in the usual way
    Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0\n")
    ports = Path("/proc/sys/net/ipv4/ip_local_port_range")
    ports.write_text(f"{PORTS[0]} {PORTS[-1]}\n")


def is_free(address: str) -> bool:
    with bare(zmq.ROUTER) as server:
        try:
            server.bind(f"tcp://{address}")
        except zmq.ZMQError:
            return False
    return True


def ask_nobody() -> None:
    """A requester that nobody answers says so, and its server can come at any time."""
    with asking(ADDRESS, timeout_s=0.3) as ours:
        for _ in range(10):
            with pytest.raises(RequestTimeout, match="nobody listens"):
                ours.ask(1)
            # what happened after the end of a call is seen by the next one
            until(lambda: is_free(ADDRESS) or attempt(ours, 1), "a free port")
        with doubling(ADDRESS):
            until(lambda: attempt(ours, 2) == {"n": 4}, "the server's reply")


def follow_nobody() -> None:
    """A replica that waits for a publisher keeps the port of its snapshots free."""
    model = {"state_type": "delta_update_in", "required_arguments": {"n": int}}
    # no connection of the updates may take one of the ports
    updates = "ipc://@sf_actors-test-to-itself"
    addresses = {"states": {"in": {"book": {"subscriber": updates, "requester": ADDRESS}}}}
    module = service("following", state_models={"in": {"book": model}})
    with bare(zmq.XPUB, bind=updates), running(module, addresses=addresses):
        end = monotonic() + 6
        while monotonic() < end:
            until(lambda: is_free(ADDRESS), "a free port", patience_s=1)
            sleep(0.02)


if __name__ == "__main__":
    confine()
    ask_nobody()
    follow_nobody()
    print("all well")  # noqa: T201
