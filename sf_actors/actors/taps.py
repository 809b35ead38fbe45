"""Taps: bounded queues with copies of a model's messages, for inspection.

A model that nobody watches has no tap, and only tests for that. Adding a note is cheap: messages
are kept packed, and become records only in the thread that sends them on. A tap never blocks: if it
is full, notes are left out and counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from time import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import UNSET, Raw

from sf_actors.sync.locks import new_lock
from sf_actors.wire.envelope import decode_delta, decode_published, decode_reply, decode_request

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NOTES: Final = 1_000
"""Most notes that may wait."""

MAX_BYTES: Final = 4 * 2**20
"""Most bytes that they may hold, not counting the value of a state that a tap begins with."""


class Packer(Protocol):
    """Packs a value step by step."""

    raw: bytes

    def step(self) -> bool:
        """Pack some more; return True when all is packed."""


class Note(ABC):
    """A copy of one message, update or request of a model.

    :param packed: the message as on the wire
    :param size: bytes that the note holds besides
    :ivar size: bytes that the note holds
    :ivar dropped: how many were left out right before it
    :ivar passed_at: when it passed, in seconds since 1970
    """

    __slots__ = ("dropped", "packed", "passed_at", "size")

    #: whether it holds the value that a state had when the tap began
    is_first = False

    def __init__(self, packed: bytes | memoryview, *, size: int = 0) -> None:
        self.packed = packed
        self.size = len(packed) + size
        self.passed_at = time()
        self.dropped = 0

    def prepare(self) -> bool:
        """Do a piece of the work for the record; return True when `record` can be called."""
        return True

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Return its kind and contents; in the thread that sends it on."""


class MessageNote(Note):
    """A published message, without its topic."""

    __slots__ = ()

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        message = decode_published(self.packed)
        return {
            "kind": "message",
            "workflow_id": message.workflow_id,
            "number": message.number,
            "args": message.args,
        }


class WholeUpdateNote(MessageNote):
    """An update of a full update state, without its topic."""

    __slots__ = ()

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        return super().record() | {"kind": "update", "is_whole": True}


class DeltaNote(Note):
    """An update of a delta update state, without its topic."""

    __slots__ = ()

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        delta = decode_delta(self.packed)
        return {
            "kind": "update",
            "workflow_id": delta.workflow_id,
            "number": delta.args.current_num,
            "args": delta.args.state,
            "is_whole": delta.args.is_snapshot,
        }


class FieldsNote(Note):
    """The fields of an update that arrived at an in-state.

    :param packed: the fields alone
    """

    __slots__ = ("number", "workflow_id")

    def __init__(self, packed: bytes, number: int, workflow_id: object) -> None:
        super().__init__(packed)
        self.number = number
        self.workflow_id = workflow_id

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        return {
            "kind": "update",
            "workflow_id": self.workflow_id,
            "number": self.number,
            "args": Raw(self.packed),
            "is_whole": False,
        }


class ValueNote(Note):
    """The whole value of a state: the first one, or the value after an update.

    :param packing: packs it
    :param is_first: it is the value that the state had when the tap began
    :param size: bytes of the message that brought it
    """

    __slots__ = ("is_first", "number", "packing", "workflow_id")

    def __init__(
        self,
        packing: Packer,
        number: int,
        *,
        is_first: bool,
        size: int = 0,
        workflow_id: object = None,
    ) -> None:
        super().__init__(b"", size=size)
        self.packing = packing
        self.number = number
        self.is_first = is_first
        self.workflow_id = workflow_id

    def prepare(self) -> bool:
        """Pack some more of the value."""
        return self.packing.step()

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        return {
            "kind": "value" if self.is_first else "update",
            "workflow_id": self.workflow_id,
            "number": self.number,
            "args": Raw(self.packing.raw),
            "is_whole": True,
        }


class PackedValue:
    """The value of a full update state, which is packed already."""

    def __init__(self, frame: bytes) -> None:
        self.raw = bytes(decode_published(frame).args)

    def step(self) -> bool:
        """Return True: it is packed already."""
        return True


class RequestNote(Note):
    """A request and its outcome.

    :param packed: the request
    :param reply: packed; None: `error` says why there is none
    :param took_s: from the request to the reply, in seconds
    """

    __slots__ = ("error", "reply", "took_s")

    def __init__(
        self,
        packed: bytes,
        reply: bytes | None,
        took_s: float,
        error: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(packed, size=len(reply or b""))
        self.reply = reply
        self.took_s = took_s
        self.error = error
        self.passed_at -= took_s

    def record(self) -> dict[str, Any]:
        """Return its kind and contents."""
        request = decode_request(self.packed)
        record: dict[str, Any] = {
            "kind": "request",
            "workflow_id": request.workflow_id,
            "number": None,
            "args": request.args,
            "took_s": self.took_s,
        }
        if self.reply is None:
            kind, message = self.error or ("RequestTimeout", "no reply came")
            return record | {"error": {"type": kind, "message": message}}
        reply = decode_reply(self.reply)
        # if the request had none, the replyer gave it one
        record["workflow_id"] = reply.workflow_id
        if reply.error is not None or reply.return_args is UNSET:
            return record | {"error": reply.error}
        return record | {"reply": reply.return_args}


class Tap:
    """The notes that wait for one watcher; any thread adds them, one thread takes them.

    :param wake: called when there is something to take, and not again until all is taken
    :ivar has_value: whether the first value of a state was added
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = new_lock()
        self._notes: deque[Note] = deque()
        self._bytes = 0
        self._left_out = 0
        self._is_awake = False
        self._is_closed = False
        self.has_value = False
        #: the packed requests under way and when they came, by request object
        self._begun: dict[object, tuple[bytes, float]] = {}

    def note(self, make: Callable[[bytes | memoryview], Note], packed: bytes | memoryview) -> None:
        """Add a note of a message, or count it as left out; HOT: in a flood most are."""
        with self._lock:
            if len(self._notes) >= MAX_NOTES:
                self._left_out += 1
                return
        self.add(make(packed))

    def add(self, note: Note) -> None:
        """Add a note, or count it as left out."""
        with self._lock:
            if self._is_closed:
                return
            is_full = len(self._notes) >= MAX_NOTES or self._bytes + note.size > MAX_BYTES
            if is_full and not note.is_first:
                self._left_out += 1
                return
            note.dropped, self._left_out = self._left_out, 0
            self._notes.append(note)
            self._bytes += note.size
            if self._is_awake:
                return
            self._is_awake = True
        self._wake()

    def add_value(self, packing: Callable[[], Packer], number: int) -> None:
        """Add the value that a state begins with, unless that was done."""
        if not self.has_value:
            self.has_value = True
            self.add(ValueNote(packing(), number, is_first=True))

    def leave_out(self, count: int) -> None:
        """Count notes that could not be made."""
        with self._lock:
            self._left_out += count

    def begin(self, request: object, packed: bytes, now: float) -> None:
        """Note that a request has come; in the thread of its actor.

        :param now: in seconds of `time.monotonic`
        """
        if len(self._begun) < MAX_NOTES:
            self._begun[request] = packed, now

    def end(self, request: object, reply: bytes, now: float) -> None:
        """Note a request that has its reply; in the thread of its actor."""
        packed, began_at = self._begun.pop(request, (None, 0.0))
        if packed is None:
            self.leave_out(1)
        elif reply:
            self.add(RequestNote(packed, reply, now - began_at))

    def take(self) -> Note | None:
        """Return the next note; None: there is none, and `wake` will be called for more."""
        with self._lock:
            if not self._notes:
                self._is_awake = False
                return None
            note = self._notes.popleft()
            self._bytes -= note.size
            return note

    def close(self) -> None:
        """Drop all notes, and add none from now on."""
        with self._lock:
            self._is_closed = True
            self._notes.clear()
