"""The ZeroMQ contexts that the services of a process share; each exists while it has users.

`inproc://` connects only sockets of one context, and a context costs two threads, so services share
contexts: one for requests and all of inproc, one for published messages, whose threads yield (see
`giving_way`). A service with CURVE keys has a context of its own, since a context has only one
authenticator and `inproc://` would bypass it.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from contextlib import contextmanager, nullcontext, suppress
from itertools import repeat
from typing import TYPE_CHECKING

import zmq

from sf_actors.errors import BindError
from sf_actors.sockets.thread_limit import require_threads
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Most sockets of one context; libzmq's default of 1,023 is too low for 1,000 services.
MAX_SOCKETS = 65_535

#: Descriptors that a context needs for itself and its first sockets.
OWN_DESCRIPTORS = 16

#: Threads that a context has: one for input and output, and one that closes sockets.
OWN_THREADS = 2


class _Shared:
    """A shared context and the number of its users."""

    def __init__(self) -> None:
        self.lock = new_lock()
        self.context: zmq.Context[zmq.Socket[bytes]] | None = None
        self.users = 0


#: key: True for the context whose threads yield
_shared = {False: _Shared(), True: _Shared()}


def _forget() -> None:
    """Start anew in the child of a fork, which has none of the parent's sockets and threads."""
    # the copied locks may be held
    _shared.update({False: _Shared(), True: _Shared()})


os.register_at_fork(after_in_child=_forget)


def no_descriptor_left(where: str) -> BindError:
    """Return the error for a socket when no descriptor is left."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return BindError(
        f"{where}: no descriptor is left for another socket: the process may hold {soft}; "
        f"raise the limit, for example with ulimit -n {4 * soft}"
    )


@contextmanager
def giving_way() -> Iterator[None]:
    """Make threads that start in this block yield: on waking they do not preempt a running thread.

    Each message sent while libzmq's thread waits wakes it. If it preempts the sender every time, it
    writes each message to the network alone, which takes longer than all of the sender's own work.
    If it yields, it finds several messages at once. When all processors are busy, it has to wait
    for its turn. Needs SCHED_BATCH (Linux, sched(7)); does nothing if this thread already has
    another scheduling policy.
    """
    policy = None
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # musl has the call and refuses it
            policy = os.sched_getscheduler(0)
    if policy is None or policy != os.SCHED_OTHER:
        yield
        return
    try:
        # threads inherit it; libzmq's own option would abort the process if it is refused
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _new(*, gives_way: bool = False) -> zmq.Context[zmq.Socket[bytes]]:
    require_descriptors(OWN_DESCRIPTORS, where="the ZeroMQ context")
    require_threads(OWN_THREADS, where="the ZeroMQ context")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    # its threads start with its first socket: open one while resources are left
    with giving_way() if gives_way else nullcontext():
        context.socket(zmq.PAIR).close(linger=0)
    return context


def require_descriptors(count: int, *, where: str) -> None:
    """Fail before libzmq can abort the process for lack of descriptors.

    It would do so when it starts its threads or looks up a host.

    :raises BindError: fewer than `count` are left
    """
    taken: list[int] = []
    try:
        # `extend`, so that an exception raised here from outside cannot lose one between two lines
        flags = os.O_RDONLY | os.O_CLOEXEC
        taken.extend(map(os.open, (os.devnull,), (flags,)))
        # copying is faster than opening
        taken.extend(map(os.dup, repeat(taken[0], count - 1)))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise no_descriptor_left(where) from None
    finally:
        for fd in taken:
            os.close(fd)


def _terminate(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Free a context; signals are blocked meanwhile.

    A signal would interrupt libzmq; pyzmq then thinks that the context is freed, and never frees
    it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        context.term()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class ContextLease:
    """The right to use a context until `give_back`.

    :param private: a separate context instead of a shared one
    :param gives_way: the context for published messages, whose threads yield
    """

    def __init__(self, *, private: bool = False, gives_way: bool = False) -> None:
        self._private = private
        self._given_back = False
        self._home = _shared[gives_way]
        if private:
            self.context = _new(gives_way=gives_way)
            return
        with self._home.lock:
            if self._home.context is None:
                self._home.context = _new(gives_way=gives_way)
            self._home.users += 1
            self.context = self._home.context

    def give_back(self) -> None:
        """End the use; the last user terminates the context. May be called twice.

        All sockets opened with it must be closed, since terminating waits for them.
        """
        if self._given_back:
            return
        self._given_back = True
        if self._private:
            _terminate(self.context)
            return
        with self._home.lock:
            self._home.users -= 1
            if self._home.users == 0:
                self._home.context = None
                _terminate(self.context)
