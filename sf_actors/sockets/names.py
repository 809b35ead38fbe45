"""Looks up host names in separate threads, so that a silent name server holds up nothing else.

libzmq would look them up in its I/O thread, which serves all sockets of the process. So a socket
that connects gets only numeric addresses, and names are looked up here. A look-up is repeated until
it succeeds or nobody waits for it any more; look-ups of one name are shared.
"""

from __future__ import annotations

import heapq
import os
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.log import PackageLogger

#: Most threads of the process that look up names; one silent name occupies one of them.
MAX_THREADS: Final = 16

#: First and longest pause before a name that could not be looked up is tried again, in seconds.
RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 1.0


class LookUp:
    """One pending request for a name.

    :param on_found: called with the numeric hosts, or with the text of the problem, in a thread of
        `Names`; after a problem it is called again. After `cancel` it may still be called once.
    """

    __slots__ = ("host", "on_found")

    def __init__(self, host: str, on_found: Callable[[tuple[str, ...], str], None]) -> None:
        self.host = host
        self.on_found = on_found


def resolved(host: str) -> tuple[str, ...]:
    """Return the numeric hosts of a name, IPv4 first; blocks.

    :raises OSError: it cannot be looked up
    :raises UnicodeError: it cannot be a name
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """The look-ups under way; any thread.

    Its threads start on demand and end when nothing is left to do. They are daemons, since nothing
    can end a look-up that hangs.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: the requests for each name that is being looked up, or will be
        self._asking: dict[str, list[LookUp]] = {}
        self._pauses_s: dict[str, float] = {}
        #: when to look up the names that no thread has yet
        self._due: list[tuple[float, str]] = []
        self._threads = 0
        self._idle = 0

    def look_up(self, host: str, on_found: Callable[[tuple[str, ...], str], None]) -> LookUp:
        """Request the numeric hosts of a name; returns at once."""
        look_up = LookUp(host, on_found)
        with self._changed:
            if host in self._asking:
                self._asking[host].append(look_up)
            else:
                self._asking[host] = [look_up]
                heapq.heappush(self._due, (monotonic(), host))
                self._changed.notify()
            self._start_thread_if_none_waits()
        return look_up

    def cancel(self, look_up: LookUp) -> None:
        """Cancel a request; its answer may have come already."""
        with self._changed:
            asking = self._asking.get(look_up.host, [])
            if look_up not in asking:
                return
            asking.remove(look_up)
            due = [entry for entry in self._due if entry[1] != look_up.host]
            if not asking and len(due) < len(self._due):
                heapq.heapify(due)
                self._due = due
                self._forget(look_up.host)
                self._changed.notify_all()

    def _forget(self, host: str) -> None:
        del self._asking[host]
        self._pauses_s.pop(host, None)

    def _start_thread_if_none_waits(self) -> None:
        if not self._due or self._idle or self._threads >= MAX_THREADS:
            return
        thread = threading.Thread(target=self._work, name="sf_actors/names", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            # no thread can be started now: the next request tries again
            self._threads -= 1

    def _work(self) -> None:
        while (host := self._next()) is not None:
            hosts: tuple[str, ...] = ()
            problem = ""
            try:
                hosts = resolved(host)
            except (OSError, UnicodeError) as error:
                problem = str(error.strerror or error) if isinstance(error, OSError) else str(error)
                problem = problem or type(error).__name__
            with self._changed:
                asking = list(self._asking[host])
                if hosts or not asking:
                    self._forget(host)
                else:
                    pause_s = self._pauses_s.get(host, RETRY_S)
                    self._pauses_s[host] = min(2 * pause_s, LONGEST_RETRY_S)
                    heapq.heappush(self._due, (monotonic() + pause_s, host))
            for look_up in asking:
                look_up.on_found(hosts, problem)

    def _next(self) -> str | None:
        """Wait for the next name that is due; None: there is none, and the thread ends."""
        with self._changed:
            while self._due:
                wait_s = self._due[0][0] - monotonic()
                if wait_s <= 0:
                    host = heapq.heappop(self._due)[1]
                    # this look-up may hang, so have another thread for the next
                    self._start_thread_if_none_waits()
                    return host
                if self._idle:
                    # another thread waits already, perhaps for a later name
                    self._changed.notify()
                    break
                self._idle += 1
                try:
                    self._changed.wait(wait_s)
                finally:
                    self._idle -= 1
            self._threads -= 1
            return None


NAMES = Names()


def _forget_all() -> None:
    """Start anew in the child of a fork, which has none of the parent's threads."""
    global NAMES  # noqa: PLW0603 - one for the process
    NAMES = Names()


os.register_at_fork(after_in_child=_forget_all)


class Unresolved:
    """The names of one model that cannot be looked up; each is logged once until it can be.

    :param where: the model, for the log
    """

    def __init__(self, log: PackageLogger, where: str) -> None:
        self._log = log
        self._where = where
        self._lock = new_lock()
        self._problems: dict[str, str] = {}

    def note(self, host: str, problem: str) -> None:
        """Note the outcome of a look-up, an empty text if it succeeded; any thread."""
        with self._lock:
            before = self._problems.pop(host, "")
            if problem:
                self._problems[host] = problem
        if problem and not before:
            self._log.warning(
                f"cannot resolve the host {host!r}", model=self._where, reason=problem
            )
        elif before and not problem:
            self._log.info(f"resolved the host {host!r}", model=self._where)

    def problem(self, host: str) -> str:
        """Return why a name cannot be looked up; empty if it can be, or is not known yet."""
        return self._problems.get(host, "")


class HostsInTurn:
    """Chooses which of a name's addresses to try: each in turn, the first ones preferred.

    :ivar current: the address that is tried or connected to
    """

    def __init__(self) -> None:
        self.current = ""
        self._tried: set[str] = set()
        self._hosts: tuple[str, ...] = ()

    def choose(self, hosts: tuple[str, ...]) -> str:
        """Return the next address to try after a look-up.

        After a whole round that is the current address, if the name still has it.
        """
        self._hosts = hosts
        untried = [host for host in hosts if host not in self._tried]
        if not untried:
            self._tried.clear()
            untried = [self.current] if self.current in hosts else list(hosts)
        self.current = untried[0]
        return self.current

    def succeeded(self) -> None:
        """Note that the current address answers."""
        self._tried.clear()

    def failed(self) -> bool:
        """Note that the current address does not answer; return True if there are others to try."""
        self._tried.add(self.current)
        return any(host not in self._tried for host in self._hosts)
