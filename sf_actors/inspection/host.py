"""Runs the one inspector of this process, as long as somebody wants it."""

from __future__ import annotations

import atexit
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from sf_actors.errors import ServiceFailed, UsageError
from sf_actors.inspection.folder import new_path, prepared
from sf_actors.inspection.inspector import Inspector, ListenRemotely, Opening
from sf_actors.inspection.socket_file import SocketFile
from sf_actors.sync.locks import new_lock
from sf_actors.sync.shielded import shielded

if TYPE_CHECKING:
    from pykka import ActorRef

#: How long the inspector may take to open its socket, and to end, in seconds.
OPENING_S: Final = 10.0
ENDING_S: Final = 5.0


class Host:
    """The inspector of this process, and the objects that want it; any thread."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._wanted_by: set[object] = set()
        self._file: SocketFile | None = None
        self._actor: ActorRef[Inspector] | None = None
        self._opening = Opening()
        self._remote: ListenRemotely | None = None

    @property
    def remote_address(self) -> str | None:
        """The address for other machines, if there is one."""
        return None if self._remote is None else self._remote.bound_to

    @property
    def address(self) -> str | None:
        """The address of the inspector; None while there is none."""
        return None if self._file is None else f"ipc://{self._file.path}"

    def want(self, who: object, name: str) -> None:
        """Start the inspector if there is none, and keep it until `leave(who)`.

        :param name: the service's name for a new socket
        :raises UserError: it cannot be started
        """
        shielded(partial(self._want, who, name))

    def _want(self, who: object, name: str) -> None:
        with self._lock:
            if self._actor is None:
                self._open(name)
            self._wanted_by.add(who)

    def listen_too(self, address: str, keys: str | os.PathLike[str] | None) -> None:
        """Have the running inspector listen for other machines as well.

        :param address: `tcp://HOST:PORT`
        :param keys: the folder with our pair and `authorized/`
        :raises UserError: it cannot, or already listens at another address
        """
        with self._lock:
            if self._actor is None:
                raise ServiceFailed("there is no inspector")
            if self._remote is not None:
                if self._remote.address != address:
                    raise UsageError(
                        f"the inspector listens at {self._remote.address} already; expected one "
                        f"address, got {address!r} as well"
                    )
                return
            asked = ListenRemotely(address, keys)
            self._actor.tell(asked)
            if not asked.is_done.wait(OPENING_S):
                raise ServiceFailed(f"{address} did not open within {OPENING_S:g} s")
            if asked.error is not None:
                raise asked.error
            self._remote = asked

    def leave(self, who: object) -> None:
        """Drop one want; if it was the last one, end the inspector and wait for that."""
        shielded(partial(self._leave, who))

    def _leave(self, who: object) -> None:
        with self._lock:
            self._wanted_by.discard(who)
            if self._wanted_by or self._actor is None:
                return
            actor, self._actor, self._file = self._actor, None, None
            self._remote = None
            actor.stop(block=False)
            thread = self._opening.thread
            if thread is not None and thread is not threading.current_thread():
                thread.join(ENDING_S)

    def end(self) -> None:
        """End the inspector even if it is wanted, since the process ends."""
        self._wanted_by.clear()
        self._leave(None)

    def forget(self) -> None:
        """Reset, in the child of a fork: thread, sockets and file belong to the parent."""
        # keep the parent's objects: their resources must not be freed here
        self._kept = (self._actor, self._opening)
        self.__init__()  # type: ignore[misc]

    def _open(self, name: str) -> None:
        file = SocketFile(new_path(prepared(), name))
        opening = self._opening = Opening()
        actor: ActorRef[Inspector] = Inspector.start(file, opening)
        if not opening.has_opened.wait(OPENING_S):
            actor.stop(block=False)
            raise ServiceFailed(f"the inspector's socket did not open within {OPENING_S:g} s")
        if opening.error is not None:
            raise opening.error
        self._file, self._actor = file, actor


HOST: Final = Host()
os.register_at_fork(after_in_child=HOST.forget)
# atexit runs after the threads of user code have ended
atexit.register(HOST.end)
