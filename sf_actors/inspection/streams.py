"""The verb `tap`: streams of the messages of a model, one for each watcher.

A stream ends when nobody has listened for a while, or when the run is over. It takes a limited
share of the process's time: messages that come faster are dropped and counted.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import zmq

from sf_actors.actors.commands import SetTaps
from sf_actors.actors.taps import Note, Tap
from sf_actors.errors import InvalidArguments
from sf_actors.inspection.iso_time import iso_time
from sf_actors.inspection.question import one_of
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.wire.envelope import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.definition.models import Model
    from sf_actors.inspection.deadlines import Deadline, Deadlines
    from sf_actors.lifecycle.residents import Resident
    from sf_actors.lifecycle.run_state import RunState
    from sf_actors.sockets.frames import Socket

#: The most streams of one process.
MAX_STREAMS: Final = 32

#: How long a stream stays while nobody listens, in seconds.
ALONE_S: Final = 3.0

#: How long records are sent without a pause, in seconds, and the share of time that this may take.
SLICE_S: Final = 0.002
SHARE: Final = 0.1

#: The share while a state's value is packed, for which the watcher waits.
PACKING_SHARE: Final = 0.3

#: The first and the longest pause before another attempt with a slow reader, in seconds.
SHORTEST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.5

#: The types of models without messages.
_SILENT: Final = ("timer",)


class StreamSockets(Protocol):
    """Opens and closes the sockets of streams; in the inspector's thread."""

    def open_stream(self, name: str, read: Callable[[], None]) -> tuple[Socket, str]:
        """Return a publishing socket and its address.

        :param name: the name of the service, for the file
        :param read: called when the socket may be readable
        """

    def close_stream(self, socket: Socket) -> None:
        """Close the socket of a stream."""


class StreamReady:
    """A message: a stream has something to send."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class Stream:
    """The stream of one model for one watcher; in the inspector's thread.

    :param tell: sends `StreamReady` to the inspector; any thread
    """

    def __init__(
        self,
        resident: Resident,
        state: RunState,
        model: Model,
        *,
        tell: Callable[[object], None],
        deadlines: Deadlines,
        on_end: Callable[[Stream], None],
    ) -> None:
        self.resident = resident
        self._state = state
        self._model = model
        self._deadlines = deadlines
        self._on_end = on_end
        self.socket: Socket | None = None
        ready = StreamReady(self)
        self._tap = Tap(lambda: tell(ready))
        self._on_run_end = lambda: tell(RunEnded(self))
        self._is_tapped = False
        self._note: Note | None = None
        #: a record for which the socket had no room
        self._packed: bytes | None = None
        #: how many records were dropped since the last one that was sent
        self._left_out = 0
        self._retry_s = SHORTEST_PAUSE_S
        self._alone: Deadline | None = None
        self._pause: Deadline | None = None

    def begin(self, socket: Socket) -> None:
        """Wait for a listener."""
        self.socket = socket
        self._wait_alone()
        self.resident.when_left.append(self._on_run_end)
        if self.resident not in RESIDENTS.all:
            self.end()

    def read(self) -> None:
        """Note listeners that have come or gone."""
        while self.socket is not None:
            try:
                came = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if came[:1] == b"\x01":
                self._take_listener()
            elif came[:1] == b"\x00" and self._alone is None:
                self._wait_alone()

    def go_on(self) -> None:
        """Send waiting records for at most `SLICE_S`, unless a pause is on."""
        if self.socket is None or self._pause is not None:
            return
        began = now = monotonic()
        while now < began + SLICE_S:
            if not self._publish():
                # the reader is slow: records wait in the tap meanwhile
                self._pause = self._deadlines.set(now + self._retry_s, self._resume)
                self._retry_s = min(2 * self._retry_s, LONGEST_PAUSE_S)
                return
            note = self._note or self._tap.take()
            if note is None:
                break
            self._note = note
            if self._is_ready(note):
                self._note = None
                self._pack(note)
            now = monotonic()
        if now > began:
            share = SHARE if self._note is None else PACKING_SHARE
            pause_s = (now - began) * (1 / share - 1)
            self._pause = self._deadlines.set(now + pause_s, self._resume)

    def end(self) -> None:
        """Stop watching, and close the socket."""
        for deadline in (self._alone, self._pause):
            if deadline is not None:
                deadline.cancel()
        if self._is_tapped:
            self._is_tapped = False
            set_taps(self._state, self._model, without=self._tap)
        self._tap.close()
        if self._on_run_end in self.resident.when_left:
            self.resident.when_left.remove(self._on_run_end)
        if self.socket is not None:
            self._on_end(self)
            self.socket = None

    def _resume(self) -> None:
        self._pause = None
        self.go_on()

    def _take_listener(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        self._left_out += self._packed is not None
        self._packed = self._record({"kind": "tap"}, None)
        self.go_on()
        if not self._is_tapped:
            self._is_tapped = True
            set_taps(self._state, self._model, with_=self._tap)

    def _wait_alone(self) -> None:
        self._alone = self._deadlines.set(monotonic() + ALONE_S, self.end)

    def _is_ready(self, note: Note) -> bool:
        try:
            return note.prepare()
        except Exception:  # noqa: BLE001 - a value that the model accepted but we cannot pack
            self._left_out += 1
            self._note = None
            return False

    def _pack(self, note: Note) -> None:
        """Pack the next record; one that cannot be packed is dropped."""
        self._left_out += note.dropped
        try:
            self._packed = self._record(note.record(), note.passed_at)
        except Exception:  # noqa: BLE001 - a value that the model accepted but we cannot read
            self._left_out += 1
        else:
            self._left_out = 0

    def _record(self, fields: dict[str, Any], passed_at: float | None) -> bytes:
        return encode(
            {
                "time": iso_time(passed_at),
                "service": self.resident.name,
                "model": self._model.name,
                "side": self._model.side,
                "dropped": self._left_out,
                **fields,
            }
        )

    def _publish(self) -> bool:
        """Send the waiting record, if any; returns False if the socket has no room."""
        if self._packed is not None and self.socket is not None:
            try:
                self.socket.send(self._packed, zmq.NOBLOCK)
            except zmq.Again:
                return False
            self._packed = None
            self._retry_s = SHORTEST_PAUSE_S
        return True


class Streams:
    """The streams of a process; in the inspector's thread."""

    def __init__(
        self, tell: Callable[[object], None], deadlines: Deadlines, sockets: StreamSockets
    ) -> None:
        self._tell = tell
        self._deadlines = deadlines
        self._sockets = sockets
        self._streams: set[Stream] = set()

    def open(self, resident: Resident, name: str | None) -> str:
        """Open a stream and return its address.

        :raises InvalidArguments: there is no such model, or there are too many streams
        """
        state = resident.state
        if state is None:
            raise InvalidArguments(f"{resident.name} is still being loaded")
        model = _model_of(resident.name, state, name)
        if len(self._streams) >= MAX_STREAMS:
            raise InvalidArguments(f"{MAX_STREAMS} streams are open here already; end some")
        stream = Stream(
            resident,
            state,
            model,
            tell=self._tell,
            deadlines=self._deadlines,
            on_end=self._forget,
        )
        socket, address = self._sockets.open_stream(resident.name, stream.read)
        self._streams.add(stream)
        stream.begin(socket)
        return address

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            stream.end()

    def _forget(self, stream: Stream) -> None:
        self._streams.discard(stream)
        if stream.socket is not None:
            self._sockets.close_stream(stream.socket)


class RunEnded:
    """A message: the run of a stream's service is over."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


def set_taps(
    state: RunState, model: Model, *, with_: Tap | None = None, without: Tap | None = None
) -> None:
    """Add or remove a tap of a model; in the inspector's thread."""
    taps = state.run_context.taps
    now = tuple(tap for tap in taps.get(model.key, ()) if tap is not without)
    taps[model.key] = now = now if with_ is None else (*now, with_)
    actor = state.actors.get(f"{model.kind}/{model.side}/{model.name}")
    if model.side == "out":
        outbounds: Any = (
            state.assembly.publications if model.kind == "states" else state.assembly.connections
        )
        if model.name in outbounds:
            outbounds[model.name].set_taps(now, with_)
    elif actor is not None:
        actor.tell(SetTaps(now, with_))


def _model_of(service: str, state: RunState, name: str | None) -> Model:
    """Return the model named NAME, `in/NAME` or `out/NAME`; if there are several, one that binds.

    :raises InvalidArguments: there is none, or its type has no messages
    """
    if name is None:
        raise InvalidArguments("expected a model")
    models = state.definition.models
    side, _, plain = name.rpartition("/")
    found = [one for one in models if one.name == plain and side in {"", one.side}]
    if not found:
        known = [f"{one.side}/{one.name}" if side else one.name for one in models]
        raise one_of(f"model of {service}", name, known)
    found.sort(key=lambda one: not any(one.binds.values()))
    if found[0].type in _SILENT:
        raise InvalidArguments(f"{found[0].where}: no messages pass a {found[0].type}")
    return found[0]
