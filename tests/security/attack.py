"""Very many raw peers at once: each holds its conversation and makes room for the next."""

from __future__ import annotations

import selectors
import socket as sockets
import struct
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.security.conversations import Conversation

#: Conversations at once; connections that stay when they have said all; those told of in a failure.
AT_ONCE = 24
STAYING = 48
TOLD = 80

#: How long a peer waits to be read or greeted until it goes, in seconds.
PATIENCE_S = 5.0


class _Peer:
    """The connection of one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.until = monotonic() + PATIENCE_S
        self.left = deque(conversation.chunks)
        self.heard = 0
        self.is_over = False
        self.socket = sockets.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", conversation.target.port))

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def waits(self) -> bool:
        """Whether it is for the other side to say something."""
        return bool(self.left) and self.heard < self.left[0].heard

    def write(self) -> None:
        """Say the next thing, as far as it is taken."""
        chunk = self.left[0]
        sent = self.socket.send(chunk.content)
        if sent < len(chunk.content):
            self.left[0] = chunk._replace(content=chunk.content[sent:])
        else:
            self.left.popleft()

    def read(self) -> None:
        """Hear what comes; over when the other side ended it."""
        heard = len(self.socket.recv(65_536))
        self.heard += heard
        if not heard:
            self.is_over = True

    def end(self) -> None:
        """Close the connection, roughly or not."""
        if self.conversation.ending == "reset":
            with suppress(OSError):
                abrupt = struct.pack("ii", 1, 0)
                self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, abrupt)
        self.socket.close()


class Attack:
    """A loop over the connections, in the thread that calls it.

    :param require: called with each conversation before it begins; raises to end the attack
    """

    def __init__(self, require: Callable[[Conversation], None]) -> None:
        self._require = require
        self._selector = selectors.DefaultSelector()
        self._talking: set[_Peer] = set()
        self._staying: deque[_Peer] = deque()
        self._recent: deque[Conversation] = deque(maxlen=TOLD)
        self.begun = self.refused = self.ended_by_others = self.ignored = self.sent = 0

    def __enter__(self) -> Attack:
        return self

    def __exit__(self, *_error: object) -> None:
        for peer in [*self._talking, *self._staying]:
            self._close(peer)
        self._talking.clear()
        self._staying.clear()
        self._selector.close()

    def __str__(self) -> str:
        return (
            f"{self.begun} raw conversations of {self.sent / 2**20:.0f} MB, "
            f"{self.ended_by_others} ended by the other side, "
            f"{self.refused} refused, {self.ignored} not read or greeted"
        )

    def recent(self) -> str:
        """Return the conversations that began last, the latest first, a line each."""
        return "\n".join(map(str, reversed(self._recent)))

    def run(self, conversations: Iterable[Conversation]) -> None:
        """Hold conversations until each has said all; some of their connections stay."""
        for conversation in conversations:
            self._require(conversation)
            self._begin(conversation)
            while len(self._talking) >= AT_ONCE:
                self._step()
        while self._talking:
            self._step()

    def _begin(self, conversation: Conversation) -> None:
        self.begun += 1
        self.sent += sum(len(chunk.content) for chunk in conversation.chunks)
        self._recent.append(conversation)
        peer = _Peer(conversation)
        self._selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
        self._talking.add(peer)

    def _step(self) -> None:
        """Let everybody go on who can."""
        for key, events in self._selector.select(0.05):
            self._go_on(key.data, events)
        now = monotonic()
        for peer in [peer for peer in self._talking if now > peer.until]:
            self.ignored += 1
            self._finish(peer)

    def _go_on(self, peer: _Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                peer.read()
            if events & selectors.EVENT_WRITE and peer.left and not peer.waits:
                peer.write()
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionRefusedError:
            self.refused += 1
            peer.is_over = True
        except OSError:
            peer.is_over = True
        if peer.is_over:
            self.ended_by_others += 1
            self._finish(peer)
        elif peer in self._talking:
            if not peer.left:
                self._say_goodbye(peer)
            else:
                wanted = selectors.EVENT_READ | (0 if peer.waits else selectors.EVENT_WRITE)
                self._selector.modify(peer, wanted, peer)

    def _say_goodbye(self, peer: _Peer) -> None:
        """All is said: stay for a while, or go."""
        ending = peer.conversation.ending
        if ending in ("close", "reset"):
            self._finish(peer)
            return
        self._talking.discard(peer)
        self._staying.append(peer)
        if ending == "shut down":
            with suppress(OSError):
                peer.socket.shutdown(sockets.SHUT_WR)
        if ending == "stay deaf":
            self._selector.unregister(peer)
        else:
            self._selector.modify(peer, selectors.EVENT_READ, peer)
        if len(self._staying) > STAYING:
            self._close(self._staying.popleft())

    def _finish(self, peer: _Peer) -> None:
        self._talking.discard(peer)
        if peer in self._staying:
            self._staying.remove(peer)
        self._close(peer)

    def _close(self, peer: _Peer) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(peer)
        peer.end()
