"""`up -d`: starts an `up` in the background, and returns once its whole fleet is READY.

The two are joined by a socket pair until the background `up` has reported its status. If either
side closes the socket before that, the fleet is stopped.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from selectors import EVENT_READ
from time import monotonic
from typing import TYPE_CHECKING, Final

from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.fleet.channel import Lines, send
from sf_actors.fleet.instance import InstancePhase
from sf_actors.interpreter import own_command

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sf_actors.fleet.course import Course
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.supervisor import Supervisor

_PIECE: Final = 65536


def put_into_background(fleet: Fleet, argv: Sequence[str], *, wait_s: float) -> int:
    """Start an `up` in the background, and wait until all are READY.

    :param argv: the names of services and the flags to pass on
    :param wait_s: how long that may take, in seconds; then everything is stopped again
    :returns: 0, or 1 if that failed and everything has been stopped
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            arguments = ["up", "--fleet", str(fleet.path), "--report", str(theirs.fileno()), *argv]
            process = subprocess.Popen(  # noqa: S603 - ourselves
                own_command("sf_actors.__main__", "run", arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            status = _listen(ours, wait_s)
        except BaseException:
            _give_up(ours)
            process.wait()
            raise
        if status is None:
            report(f"not all are READY within {wait_s:g} s: everything is stopped again")
            _give_up(ours)
        if status != 0:
            process.wait()
            return status or FAILED
    # it outlives us: keeps Popen from warning that it still runs
    process.returncode = 0
    return 0


def _listen(ours: socket.socket, wait_s: float) -> int | None:
    """Print its reports until it sends its status; returns that, or None at the timeout."""
    deadline = monotonic() + wait_s
    lines = Lines()
    while True:
        left = deadline - monotonic()
        if left <= 0:
            return None
        ours.settimeout(left)
        try:
            piece = ours.recv(_PIECE)
        except TimeoutError:
            return None
        if not piece:
            report("the up in the background was killed, or could not be started")
            return FAILED
        for line in lines.add(piece):
            message = json.loads(line)
            if "say" in message:
                report(message["say"])
            else:
                return int(message["status"])


def _give_up(ours: socket.socket) -> None:
    """Have it stop everything, and print its reports until it has ended."""
    ours.shutdown(socket.SHUT_WR)
    ours.settimeout(None)
    lines = Lines()
    while piece := ours.recv(_PIECE):
        for line in lines.add(piece):
            message = json.loads(line)
            if "say" in message:
                report(message["say"])


class Reports:
    """The reports of a background `up` to the command that started it.

    :param descriptor: of the socket
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._is_over = False
        self._followed: Course | None = None

    def report(self, words: str) -> None:
        """Send a text to be printed; dropped once the status has been sent."""
        if not self._is_over:
            send(self._socket, {"say": words})

    def follow(self, supervisor: Supervisor, names: Collection[str]) -> None:
        """Stop the fleet if a service fails, or if the waiting command goes away."""
        supervisor.selector.register(self._socket, EVENT_READ, lambda: self._take_end(supervisor))
        self._followed = supervisor.course
        wanted = supervisor.course.with_needed(names)
        supervisor.watch(lambda: self._look(supervisor, wanted))

    def _take_end(self, supervisor: Supervisor) -> None:
        supervisor.selector.unregister(self._socket)
        self._followed = None
        if not self._is_over:
            supervisor.end(signal.SIGTERM)

    def _look(self, supervisor: Supervisor, names: Collection[str]) -> bool:
        """Report that all are READY, or stop the fleet; True when there is nothing left to do."""
        course = supervisor.course
        instances = [course.instances[name] for name in names]
        if course.is_ending:
            return True
        if any(one.phase is InstancePhase.FAILED for one in instances):
            self.report("not all can be READY: everything is stopped again")
            supervisor.end(signal.SIGTERM, status=FAILED)
            return True
        if any(one.phase not in {InstancePhase.READY, InstancePhase.ENDED} for one in instances):
            return False
        self._send_status(0)
        supervisor.selector.unregister(self._socket)
        self._socket.close()
        return True

    def _send_status(self, status: int) -> None:
        self._is_over = True
        send(self._socket, {"status": status})

    def finish(self, status: int) -> None:
        """Report the end of the fleet, if it came before all were READY."""
        if self._is_over:
            return
        if status == 0 and self._followed is not None and self._followed.was_stopped:
            self.report("the fleet was stopped before all were READY")
            status = FAILED
        self._send_status(status)
