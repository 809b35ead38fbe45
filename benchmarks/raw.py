"""Bare sockets, which are the limit."""

from __future__ import annotations

import zmq


def raw_socket(kind: int) -> zmq.Socket[bytes]:
    """Return a socket of the context of this process, with libzmq's defaults.

    :param kind: `zmq.REQ`, …
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    return context.socket(kind)
