"""The ZeroMQ context: one for all services of the process, there while any of them runs.

`inproc://` joins the sockets of one context, and a context costs two threads, so services share
one. A service with CURVE keys has a context of its own, since a context has one authenticator and
`inproc://` would walk around it.
"""

from __future__ import annotations

import os
import threading

import zmq

#: Sockets that one context can hold; libzmq's own default of 1,023 is too low for 1,000 services.
MAX_SOCKETS = 65_535


class _Shared:
    """The context that services share, counted by those who use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.context: zmq.Context[zmq.Socket[bytes]] | None = None
        self.users = 0
        self.holds_a_stuck_socket = False


_shared = _Shared()


def _forget() -> None:
    """Start anew in the child of a fork: the parent's sockets and threads are not there."""
    global _shared  # noqa: PLW0603 - a fork copies the parent's, whose lock may be held
    _shared = _Shared()


os.register_at_fork(after_in_child=_forget)


def _new() -> zmq.Context[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    return context


class ContextLease:
    """The right to use a context until it is given back.

    :param private: a context of its own instead of the shared one
    """

    def __init__(self, *, private: bool = False) -> None:
        self._private = private
        self._given_back = False
        self._home = _shared
        if private:
            self.context = _new()
            return
        with self._home.lock:
            if self._home.context is None:
                self._home.context = _new()
            self._home.users += 1
            self.context = self._home.context

    def give_back(self, *, all_closed: bool) -> None:
        """Terminate the context when nobody uses it any more; may be called twice.

        :param all_closed: False when user code that is stuck still holds a socket; the context is
            then left behind, since to terminate it would wait for that socket for ever
        """
        if self._given_back:
            return
        self._given_back = True
        if self._private:
            if all_closed:
                self.context.term()
            return
        with self._home.lock:
            self._home.users -= 1
            if not all_closed:
                self._home.holds_a_stuck_socket = True
            if self._home.users == 0 and not self._home.holds_a_stuck_socket:
                self._home.context = None
                self.context.term()
