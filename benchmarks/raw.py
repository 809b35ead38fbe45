"""Bare sockets, for the contenders that are the limit."""

from __future__ import annotations

import zmq


def raw_socket(kind: int) -> zmq.Socket[bytes]:
    """Return a socket in this process's context, with libzmq's defaults.

    :param kind: `zmq.REQ`, …
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    return context.socket(kind)
