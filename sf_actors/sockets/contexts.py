"""The ZeroMQ contexts: for all services of the process, there while any of them needs one.

`inproc://` joins the sockets of one context, and a context costs two threads, so services share
them: one for calls and all that is inproc, another one for what is published, whose threads give
way (see `giving_way`). A service with CURVE keys has a context of its own, since a context has one
authenticator and `inproc://` would walk around it.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from contextlib import contextmanager, nullcontext, suppress
from itertools import repeat
from typing import TYPE_CHECKING

import zmq

from sf_actors.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Sockets that one context can hold; libzmq's own default of 1,023 is too low for 1,000 services.
MAX_SOCKETS = 65_535

#: Descriptors that a context takes for itself, and some to spare for its first sockets.
OWN_DESCRIPTORS = 16


class _Shared:
    """A context that services share, counted by those who use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.context: zmq.Context[zmq.Socket[bytes]] | None = None
        self.users = 0


#: by whether its threads give way
_shared = {False: _Shared(), True: _Shared()}


def _forget() -> None:
    """Start anew in the child of a fork: the parent's sockets and threads are not there."""
    # a fork copies the parent's, whose locks may be held
    _shared.update({False: _Shared(), True: _Shared()})


os.register_at_fork(after_in_child=_forget)


def no_descriptor_left(where: str) -> BindError:
    """Return the error for a socket that the process has no descriptor for."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return BindError(
        f"{where}: no descriptor is left for another socket: the process may hold {soft}; "
        f"raise the limit, for example with ulimit -n {4 * soft}"
    )


@contextmanager
def giving_way() -> Iterator[None]:
    """Have threads that start here give way: they do not interrupt who runs when they wake up.

    libzmq's thread is woken by each message that is sent while it waits. One that interrupts the
    sender every time writes each message to the network alone, which takes longer than all that the
    sender does itself; one that gives way finds several. When all processors are busy with other
    work it waits for them like the other work does. Only where the system can do it (Linux: see
    SCHED_BATCH in sched(7)), and where nobody has chosen otherwise for this thread.
    """
    policy = None
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # musl has the call and refuses it
            policy = os.sched_getscheduler(0)
    if policy is None or policy != os.SCHED_OTHER:
        yield
        return
    try:
        # threads inherit it; libzmq's own option would abort the process where it is refused
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _new(*, gives_way: bool = False) -> zmq.Context[zmq.Socket[bytes]]:
    require_descriptors(OWN_DESCRIPTORS, where="the ZeroMQ context")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    # its threads start with its first socket: now, while there are descriptors for them
    with giving_way() if gives_way else nullcontext():
        context.socket(zmq.PAIR).close(linger=0)
    return context


def require_descriptors(count: int, *, where: str) -> None:
    """Refuse to go on where libzmq would abort the process for want of a descriptor.

    It does so when it starts its threads, and when it looks up the host of an address.

    :raises BindError: fewer than `count` are left
    """
    taken: list[int] = []
    try:
        # by `extend`: user code that is interrupted here must not lose one between two lines
        flags = os.O_RDONLY | os.O_CLOEXEC
        taken.extend(map(os.open, (os.devnull,), (flags,)))
        # to copy is faster than to open
        taken.extend(map(os.dup, repeat(taken[0], count - 1)))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise no_descriptor_left(where) from None
    finally:
        for fd in taken:
            os.close(fd)


class ContextLease:
    """The right to use a context until it is given back.

    :param private: a context of its own instead of a shared one
    :param gives_way: the shared one for what is published
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
        """Terminate the context when nobody uses it any more; may be called twice.

        Every socket that was opened with it must be closed: to terminate waits for them.
        """
        if self._given_back:
            return
        self._given_back = True
        if self._private:
            self.context.term()
            return
        with self._home.lock:
            self._home.users -= 1
            if self._home.users == 0:
                self._home.context = None
                self.context.term()
