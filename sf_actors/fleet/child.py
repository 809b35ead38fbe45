"""A child of `up`: one process, its group, its channel, its output, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.channel import Lines, packed, send_block
from sf_actors.inspection.folder import remove_of_ended
from sf_actors.interpreter import own_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from selectors import DefaultSelector

    from sf_actors.fleet.task import Task

_PIECE: Final = 65536
#: The most bytes that may be queued for a child; further messages are refused.
_MOST_UNSENT: Final = 1024 * 1024
#: The most reads of the output that an ended child has left in a pipe.
_MOST_LEFT: Final = 64


class Child:
    """One process of an instance; in the selector's thread.

    :param selector: where it registers its descriptors, with callables without arguments
    :param held: a descriptor that stays open in the child as long as it lives
    :param on_message: takes a message from the channel
    :param on_line: takes the name of the stream and a printed line
    :param on_end: takes its status, negative for a signal, after its whole group has ended
    :raises OSError: it cannot be started
    """

    def __init__(
        self,
        task: Task,
        selector: DefaultSelector,
        *,
        folder: Path,
        held: int,
        on_message: Callable[[Child, dict[str, Any]], None],
        on_line: Callable[[str, bytes], None],
        on_end: Callable[[Child, int], None],
    ) -> None:
        self.task = task
        self._selector = selector
        self._on_message, self._on_line, self._on_end = on_message, on_line, on_end
        self._messages = Lines()
        self._unsent = bytearray()
        self._pipes: dict[int, tuple[str, Lines]] = {}
        self._channel, theirs = socket.socketpair()
        self._pidfd = -1
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                own_command("sf_actors.cli.fleet_child", "run", (str(theirs.fileno()), str(held))),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env={**os.environb, **task.service.encoded_env},
                pass_fds=(theirs.fileno(), held),
                process_group=0,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._begin()

    def _begin(self) -> None:
        # it is not reaped before `_end`, so its pid cannot be reused until then
        self._pidfd = os.pidfd_open(self.pid)
        # a few kilobytes fit into the socket's buffer, so this cannot block
        send_block(self._channel, self.task.packed())
        self._channel.setblocking(False)
        for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None:
                descriptor = pipe.fileno()
                os.set_blocking(descriptor, False)
                self._pipes[descriptor] = name, Lines()
                self._register(descriptor, self._reader(descriptor))
        self._register(self._channel.fileno(), self._use_channel)
        self._register(self._pidfd, self._end)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it and its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def send(self, message: dict[str, Any]) -> bool:
        """Send it a message, or queue it until it reads; returns False if that is not possible."""
        if self._channel.fileno() < 0 or len(self._unsent) > _MOST_UNSENT:
            return False
        self._unsent += packed(message)
        self._flush()
        return True

    def _flush(self) -> None:
        """Send as much as the channel takes now, and the rest when it is writable."""
        try:
            del self._unsent[: self._channel.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            # it is gone: its end will be noticed next
            self._unsent.clear()
        events = EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ
        self._selector.modify(self._channel.fileno(), events, self._use_channel)

    def _use_channel(self) -> None:
        self._read_messages()
        if self._unsent and self._channel.fileno() >= 0:
            self._flush()

    def hang_up(self) -> None:
        """Close the channel, so that the child stops as if `up` were gone."""
        if self._channel.fileno() >= 0:
            self._selector.unregister(self._channel.fileno())
            self._channel.close()

    def abandon(self) -> int:
        """Kill it and wait for its end, without calling `on_end`."""
        self.kill()
        self._end(is_reported=False)
        return self._process.returncode

    def _register(self, descriptor: int, call: Callable[[], object]) -> None:
        self._selector.register(descriptor, EVENT_READ, call)

    def _reader(self, descriptor: int) -> Callable[[], object]:
        return lambda: self._read(descriptor)

    def _read(self, descriptor: int) -> bool:
        """Read its output; returns False if there is no more for now."""
        name, lines = self._pipes[descriptor]
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._selector.unregister(descriptor)
            self._pipes.pop(descriptor)
        for line in lines.add(piece) if piece else lines.end():
            self._on_line(name, line)
        return bool(piece)

    def _read_messages(self) -> None:
        try:
            piece = self._channel.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self.hang_up()
            return
        for line in self._messages.add(piece):
            self._on_message(self, json.loads(line))

    def _end(self, *, is_reported: bool = True) -> None:
        # not reaped yet, so the id of its group cannot be reused
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        self.kill()
        self._process.wait()
        # a killed one has left them
        remove_of_ended(self.pid)
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        if self._channel.fileno() >= 0:
            self._read_messages()
        self.hang_up()
        for descriptor in list(self._pipes):
            for _ in range(_MOST_LEFT):
                if not self._read(descriptor):
                    break
            if descriptor in self._pipes:
                # a process that has left the group still holds the other end
                self._selector.unregister(descriptor)
                name, lines = self._pipes.pop(descriptor)
                for line in lines.end():
                    self._on_line(name, line)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        if is_reported:
            self._on_end(self, self._process.returncode)
