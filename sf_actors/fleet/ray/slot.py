"""One instance on a node: its ports, its process, and the peers that it connects to.

It does not depend on Ray: the caller passes the spots of the peers and the pid of the node's agent.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
from itertools import count
from pathlib import Path
from selectors import EVENT_READ
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.addresses import bound_by
from sf_actors.fleet.child import Child
from sf_actors.fleet.ray.directory import Directory, Spot, changes
from sf_actors.fleet.ray.events import Events
from sf_actors.fleet.ray.loop import Loop
from sf_actors.fleet.ray.package import moved, write_keys
from sf_actors.fleet.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.fleet.addresses import SocketKey
    from sf_actors.fleet.ray.directory import Part

#: The prefix of the folders with keys, in the node's folder for temporary files.
KEYS_PREFIX: Final = "sf-keys-"

#: How long its process may go on after the node's agent is gone, in seconds.
_ORPHANED_S: Final = 4.7


class Slot:
    """One instance on this node; any thread.

    :param host: the address of this node
    :param folder: the fleet's folder on this node
    :param agent: the pid of the node's agent, with which the slot ends
    """

    def __init__(self, part: Part, *, host: str, folder: Path, agent: int | None = None) -> None:
        self._part = part
        self._host = host
        self._folder = folder
        self._service = moved(part.service, part.folder, folder)
        self._holding: list[socket.socket] = []
        bound = bound_by(part.service, part.outline, part.name, self._reserve)
        self.spot = Spot(part.service.name, host, bound, time_ns())
        self.directory = Directory(part)
        self.directory.learn(part.name, self.spot)
        #: the messages and output of its process, and its end
        self.events = Events()
        self._keys = None if part.keys is None else Path(tempfile.mkdtemp(prefix=KEYS_PREFIX))
        if part.keys is not None and self._keys is not None:
            write_keys(part.keys, self._keys)
        self._held = os.open(os.devnull, os.O_RDONLY)
        self._child: Child | None = None
        self._ready_message: dict[str, Any] | None = None
        self._given_addresses: dict[str, Any] = {}
        self._is_leaving = False
        self._numbers = count()
        self._pending: dict[int, PendingConnects] = {}
        self.has_run = threading.Event()
        self._loop = Loop(f"{part.name}/process")
        if agent is not None:
            agent_fd = os.pidfd_open(agent)
            self._loop.call(
                lambda: self._loop.selector.register(
                    agent_fd, EVENT_READ, lambda: self._leave(agent_fd)
                )
            )

    # called by others

    def run(self, spots: Mapping[str, Spot] | None = None) -> dict[str, Any] | None:
        """Run its process, or continue with the running one.

        :param spots: of all instances; None: the known ones
        :returns: `pid`; `ready`: its READY message, or None; `last`: the number of earlier events;
            `spot`. None if the node's agent is gone
        :raises OSError: it cannot be started
        """
        return self._loop.call(lambda: self._run(spots))

    def signal(self, number: int) -> None:
        """Send a signal to its process, if it runs."""
        self._loop.post(lambda: None if self._child is None else self._child.signal(number))

    def kill(self) -> None:
        """Kill its process and all that it has started."""
        self._loop.call(lambda: None if self._child is None else self._child.kill())

    def know(self, spots: Mapping[str, Spot], number: int) -> None:
        """Connect it to exactly these peers; an event with the number confirms that."""
        self._loop.post(lambda: self._know(spots, number))

    def meet(self, name: str, spot: Spot) -> Spot:
        """Note where another instance is; returns where this one is."""
        self._loop.post(lambda: self._learn(name, spot))
        return self.spot

    def is_running(self) -> bool:
        """Return True if it has a process."""
        return self._child is not None

    def close(self) -> None:
        """Kill its process, and free all resources."""
        self.kill()
        self._loop.end()
        if self._child is not None:
            self._child.abandon()
        self._loop.selector.close()
        for holding in self._holding:
            holding.close()
        os.close(self._held)
        self.leave()

    def leave(self) -> None:
        """Remove the keys from this node."""
        if self._keys is not None:
            shutil.rmtree(self._keys, ignore_errors=True)

    def lacking(self) -> list[str]:
        """Return the services that it connects to, and of which no instance is known."""
        return self._loop.call(self.directory.lacking)

    # in the loop

    def _reserve(self, _instance: str, _socket: SocketKey) -> str:
        """Return an address on this node with a port that is reserved while the slot exists.

        The reserving socket has SO_REUSEADDR and does not listen, so that libzmq in the process can
        bind the same port.
        """
        holding = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind((self._host, 0))
        self._holding.append(holding)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"tcp://{host}:{holding.getsockname()[1]}"

    def _run(self, spots: Mapping[str, Spot] | None) -> dict[str, Any] | None:
        if self._is_leaving:
            return None
        if spots is not None:
            self.directory.replace(spots)
        self.has_run.set()
        if self._child is None:
            self._ready_message = None
            self._given_addresses = self.directory.addresses()
            self.events.seen = self.events.count
            task = Task(
                name=self._part.name,
                service=self._service,
                number=self._part.number,
                addresses=self._given_addresses,
                keys=self._keys,
                takes_signals=True,
            )
            self._child = Child(
                task,
                self._loop.selector,
                folder=self._folder,
                held=self._held,
                on_message=self._take_message,
                on_line=lambda stream, line: self.events.add(("line", stream, line), len(line)),
                on_end=self._take_end,
            )
        else:
            self._connect(None)
        last = self.events.seen
        return {
            "pid": self._child.pid,
            "ready": self._ready_message,
            "last": last,
            "spot": self.spot,
        }

    def _know(self, spots: Mapping[str, Spot], number: int) -> None:
        self.directory.replace(spots)
        self._connect(number)

    def _learn(self, name: str, spot: Spot) -> None:
        if self.directory.learn(name, spot):
            self._connect(None)

    def _connect(self, number: int | None) -> None:
        """Send its process the new connections; if it is not READY yet, that happens when it is."""
        connects = PendingConnects(number)
        if self._child is not None and self._ready_message is not None:
            new = self.directory.addresses()
            for given in changes(self._given_addresses, new):
                inner = next(self._numbers)
                self._pending[inner] = connects
                connects.unconfirmed.add(inner)
                self._child.send({"connect": list(given), "id": inner})
            self._given_addresses = new
        self._confirm(connects)

    def _confirm(self, connects: PendingConnects) -> None:
        if not connects.unconfirmed and (connects.number is not None or connects.error is not None):
            self.events.add(("message", {"connected": connects.number, "error": connects.error}))

    def _take_message(self, _child: Child, message: dict[str, Any]) -> None:
        if "connected" in message:
            connects = self._pending.pop(message["connected"], None)
            if connects is not None:
                connects.unconfirmed.discard(message["connected"])
                connects.error = connects.error or message["error"]
                self._confirm(connects)
            return
        if "ready" in message:
            self._ready_message = message
            self._connect(None)
        self.events.add(("message", message))

    def _take_end(self, _child: Child, status: int) -> None:
        self._child, self._ready_message = None, None
        pending, self._pending = self._pending, {}
        for connects in pending.values():
            connects.unconfirmed.clear()
            self._confirm(connects)
        self.events.add(("end", status))

    def _leave(self, agent_fd: int) -> None:
        """End: the node's agent is gone, and Ray will run the instance elsewhere."""
        self._loop.selector.unregister(agent_fd)
        self._is_leaving = True
        if self._child is None:
            os._exit(1)
        # the process notices the closed channel, stops and exits
        self._child.hang_up()
        timer = threading.Timer(_ORPHANED_S, self._exit)
        timer.daemon = True
        timer.start()

    def _exit(self) -> None:
        if self._child is not None:
            self._child.kill()
        os.kill(os.getpid(), signal.SIGKILL)


class PendingConnects:
    """Changes that a process has to confirm.

    :ivar number: the number that the confirmation carries, or None
    """

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.unconfirmed: set[int] = set()
        self.error: str | None = None
