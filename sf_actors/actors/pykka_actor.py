"""The base of all actors; the only file that touches pykka's private parts.

A test names each of them, so that a version of pykka which moves one fails there by name.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from sf_actors.sync.event import LightEvent

__all__ = ["LAST", "Actor", "Envelope"]

#: The end of an actor.
LAST: Final[Envelope[Any]] = Envelope(_ActorStop())


class _LastInbox:
    """An inbox that holds only the end of its actor."""

    def put(self, envelope: Envelope[Any], /) -> None:
        """Drop a message."""

    def get(self) -> Envelope[Any]:
        """Return the end."""
        return LAST

    def empty(self) -> bool:
        """Return True: no message waits."""
        return True


class Actor(pykka.ThreadingActor):
    """A pykka actor with a daemon thread and one of our own inboxes.

    :cvar inbox_type: the class of the inbox
    :cvar begins_late: `start` starts no thread; `begin_loop` does
    """

    use_daemon_thread = True
    inbox_type: ClassVar[type[Any]]
    begins_late: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        # pykka's event takes more than a kilobyte, and is hardly ever waited for
        stopped: Any = LightEvent()
        self.actor_stopped = self.actor_ref.actor_stopped = stopped

    @classmethod
    def _create_actor_inbox(cls) -> Any:
        return cls.inbox_type()

    def _start_actor_loop(self) -> None:
        if self.begins_late:
            return
        try:
            super()._start_actor_loop()
        except RuntimeError as error:
            # the system has no thread left
            self._stop()
            self.not_started(error)

    def not_started(self, error: RuntimeError) -> None:
        """Handle that the actor ended before it began; in the thread that starts it."""
        raise error

    def begin_loop(self) -> None:
        """Start the thread of an actor that begins late, once."""
        super()._start_actor_loop()

    def end_unbegun(self) -> None:
        """End an actor whose thread was never started; runs `on_stop` in the calling thread."""
        self._stop()

    def leave_inbox(self) -> None:
        """End after this message and leave the others in the inbox; in the actor's thread."""
        self.actor_inbox = _LastInbox()
