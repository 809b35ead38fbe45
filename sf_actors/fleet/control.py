"""The requests of other verbs to a running `up`: a socket in its folder, one request a connection.

A request is one JSON line: ``{"verb": "stop", …}``. The answer is any number of lines
``{"say": words}`` and a last line ``{"status": exit status, …}``.
"""

from __future__ import annotations

import json
from functools import partial
from selectors import EVENT_READ
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import RequestTimeout
from sf_actors.fleet.channel import Lines, messages, send

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from selectors import DefaultSelector

    from sf_actors.fleet.run_folder import RunFolder

_PIECE: Final = 65536
#: How many requests may be open at once; more are refused.
_MOST: Final = 64


class VerbRequest:
    """One request, until it is answered; in the selector's thread.

    :ivar args: its arguments, with the verb as `verb`
    :ivar is_open: True while somebody waits for the answer
    """

    def __init__(self, connection: socket.socket, selector: DefaultSelector) -> None:
        self.args: dict[str, Any] = {}
        self.is_open = True
        self._connection = connection
        self._selector = selector

    def report(self, words: str) -> None:
        """Report progress to the verb that asks."""
        if self.is_open:
            send(self._connection, {"say": words})

    def end(self, status: int, **more: Any) -> None:
        """Send the answer."""
        if self.is_open:
            send(self._connection, {"status": status, **more})
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.is_open = False
            self._selector.unregister(self._connection)
            self._connection.close()


class ControlSocket:
    """Accepts the requests of other verbs.

    :param take: called with each request
    """

    def __init__(
        self,
        listener: socket.socket,
        selector: DefaultSelector,
        take: Callable[[VerbRequest], None],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._take = take
        #: the open requests, with what reads them
        self._open: dict[VerbRequest, Callable[[], None]] = {}
        selector.register(listener, EVENT_READ, self._accept)

    def refuse(self) -> None:
        """Take the requests that are here already, and accept no more: the fleet has ended."""
        while self._accept():
            pass
        for read in list(self._open.values()):
            read()
        self._selector.unregister(self._listener)
        self._listener.close()

    def close(self) -> None:
        """Close all connections, before the selector."""
        for request in self._open:
            request.close()

    def _accept(self) -> bool:
        """Accept a connection; return False if there is none."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return False
        connection.setblocking(False)
        self._open = {one: read for one, read in self._open.items() if one.is_open}
        if len(self._open) >= _MOST:
            connection.close()
            return True
        request = VerbRequest(connection, self._selector)
        read = partial(self._read, request, connection, Lines())
        self._open[request] = read
        self._selector.register(connection, EVENT_READ, read)
        return True

    def _read(self, request: VerbRequest, connection: socket.socket, lines: Lines) -> None:
        if not request.is_open:
            return
        try:
            piece = connection.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            # the verb is gone; its request is still carried out
            request.close()
            return
        for line in lines.add(piece):
            if not request.args:
                self._take_line(request, line)

    def _take_line(self, request: VerbRequest, line: bytes) -> None:
        try:
            request.args = json.loads(line)
            self._take(request)
        except Exception as error:  # noqa: BLE001 - such as of another version; the fleet runs on
            request.report(f"it cannot be understood: {type(error).__name__}: {error}")
            request.end(1)


def ask(
    connection: socket.socket,
    report: Callable[[str], None],
    *,
    timeout_s: float | None = None,
    **args: Any,
) -> dict[str, Any]:
    """Send a request to the running `up`, and wait for its answer; closes the connection.

    :param report: takes its progress reports
    :param timeout_s: how long to wait for a line of the answer, in seconds; None: for ever
    :returns: the answer; without `status`, after a word to `report`, if `up` ended before answering
    :raises RequestTimeout: no answer came in time
    """
    asked_at = monotonic()
    with connection:
        connection.settimeout(timeout_s)
        send(connection, args)
        for message in messages(connection):
            if "say" in message:
                report(message["say"])
            else:
                return message
    if timeout_s is not None and monotonic() - asked_at >= timeout_s:
        raise _silent(timeout_s)
    report("the up that was asked has ended before it answered")
    return {}


def ask_status(
    run_folder: RunFolder, report: Callable[[str], None], timeout_s: float | None = None
) -> dict[str, Any] | None:
    """Ask the `up` of a fleet for the status of its instances; None if no `up` of it runs.

    :param timeout_s: how long it may take, in seconds; None: for ever
    :returns: its answer to `ps`, as `ask` returns it
    :raises RequestTimeout: no answer came in time
    """
    try:
        connection = run_folder.connect(waits=timeout_s is None)
    except TimeoutError:
        # it has not accepted those who came before
        raise _silent(timeout_s or 0.0) from None
    if connection is None:
        return None
    return ask(connection, report, timeout_s=timeout_s, verb="ps")


def _silent(timeout_s: float) -> RequestTimeout:
    return RequestTimeout(f"the up of the fleet: no answer within {timeout_s:.3g} s")
