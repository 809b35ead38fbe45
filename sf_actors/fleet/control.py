"""How other verbs reach the `up` that runs: a socket in its folder, one request a connection.

A request is one JSON line: ``{"verb": "stop", …}``. The answer is lines of ``{"say": words}`` and a
last one, ``{"status": exit status, …}``.
"""

from __future__ import annotations

import json
from contextlib import suppress
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any, Final

from sf_actors.fleet.channel import Lines, messages, send

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from selectors import DefaultSelector

_PIECE: Final = 65536
#: Requests that may be open at once; more are refused.
_MOST: Final = 64


class Request:
    """One request, until it is answered; for the thread of the selector.

    :ivar args: what is asked, and the verb as `verb`
    :ivar is_open: whether somebody still waits for the answer
    """

    def __init__(self, connection: socket.socket, selector: DefaultSelector) -> None:
        self.args: dict[str, Any] = {}
        self.is_open = True
        self._connection = connection
        self._selector = selector

    def say(self, words: str) -> None:
        """Tell who asked how it goes."""
        if self.is_open:
            send(self._connection, {"say": words})

    def end(self, status: int, **more: Any) -> None:
        """Answer it."""
        if self.is_open:
            send(self._connection, {"status": status, **more})
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.is_open = False
            self._selector.unregister(self._connection)
            self._connection.close()


class Control:
    """Takes the requests of other verbs.

    :param take: is given each request
    """

    def __init__(
        self,
        listener: socket.socket,
        selector: DefaultSelector,
        take: Callable[[Request], None],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._take = take
        self._open: list[Request] = []
        selector.register(listener, EVENT_READ, self._accept)

    def refuse(self) -> None:
        """Take no request any more: who asks now is not answered by an end that is under way."""
        self._selector.unregister(self._listener)
        self._listener.close()

    def close(self) -> None:
        """Close all connections, before the selector."""
        for request in self._open:
            request.close()

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._open = [one for one in self._open if one.is_open]
            if len(self._open) >= _MOST:
                connection.close()
                return
            request, lines = Request(connection, self._selector), Lines()
            self._open.append(request)
            self._selector.register(
                connection, EVENT_READ, lambda: self._read(request, connection, lines)
            )

    def _read(self, request: Request, connection: socket.socket, lines: Lines) -> None:
        try:
            piece = connection.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            # who has asked has gone: what it asked for goes on
            request.close()
            return
        for line in lines.add(piece):
            if not request.args:
                self._take_line(request, line)

    def _take_line(self, request: Request, line: bytes) -> None:
        try:
            request.args = json.loads(line)
            self._take(request)
        except Exception as error:  # noqa: BLE001 - of another version, say; the fleet runs on
            request.say(f"it cannot be understood: {type(error).__name__}: {error}")
            request.end(1)


def ask(connection: socket.socket, say: Callable[[str], None], **args: Any) -> dict[str, Any]:
    """Ask the `up` that runs, and wait for its answer; closes the connection.

    :param say: takes what it says meanwhile
    :returns: the answer; without `status` if it has gone before it answered, which is said
    """
    with connection:
        send(connection, args)
        for message in messages(connection):
            if "say" in message:
                say(message["say"])
            else:
                return message
    say("the up that was asked has ended before it answered")
    return {}
