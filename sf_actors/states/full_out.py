"""The full update out-state: publishes whole values, the last one again to new subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Raw

from sf_actors.actors.taps import PackedValue, WholeUpdateNote
from sf_actors.actors.tracing import TRACEPARENT
from sf_actors.replication.values.frozen import freeze, thaw
from sf_actors.replication.values.persistent_map import EMPTY
from sf_actors.replication.values.pieces import Packing
from sf_actors.states.out_state import OutState, Publication
from sf_actors.sync.reentry import reentered
from sf_actors.wire.envelope import decode_published, encode, encode_published

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Packer
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.values.persistent_map import Map


class FullPublication(Publication):
    """Whole values, numbered; the last one is kept as it was sent."""

    # each send looks, so that a subscriber that joins after the last value gets it at once
    look_pause_s = 0.0

    def __init__(self, run_context: RunContext, model: Model, counters: Counters) -> None:
        super().__init__(run_context, model, counters)
        self._number = -1
        #: the last update as it was sent
        self._frame: bytes | None = None
        #: the frame that `value` decoded last, and the result
        self._read: tuple[bytes | None, Map[str, Any]] = (None, EMPTY)
        #: the value of an earlier run, until there is an epoch to publish it under
        self._resumed = self.kept.value if self.kept is not None and self.kept.last else None
        if self.kept is not None:
            self._number = self.kept.number
        self.begin_store()

    def take_epoch(self, epoch: int) -> None:
        """Publish updates under a new epoch from now on; with the lock held."""
        super().take_epoch(epoch)
        if self._resumed is not None and self._frame is None:
            packed = self._packed(Raw(encode(thaw(self._resumed))), None, self._number)
            self._frame = self.out.topic + packed
        self._resumed = None

    @property
    def whole(self) -> Map[str, Any]:
        """The value; with the lock held."""
        return self.value

    @property
    def value(self) -> Map[str, Any]:
        """The last value; decoded from the message on first use."""
        frame = self._frame
        seen, value = self._read
        if frame is not None and frame is not seen:
            envelope = decode_published(frame[len(self.out.topic) :])
            value = freeze(self.model.arguments.decoded(envelope.args))
            self._read = (frame, value)
        return value

    @property
    def number(self) -> int:
        """The number of the last update, -1 before the first."""
        return self._number

    @property
    def mark(self) -> tuple[int, int]:
        """The epoch of this run, and the number of its last update."""
        return self.out.epoch, self._number

    def send(self, args: Any, workflow_id: object) -> int | None:
        """Check a value, number it and publish it; any thread.

        :returns: its number
        :raises InvalidArguments: it fails the model; nothing was sent
        :raises UsageError: it is called from within itself
        """
        checked = self.model.arguments.checked(args)
        out = self.out
        if out.is_held_here():
            raise reentered(self.model.where)
        with out.lock:
            if out.socket is None:
                self.require_not_stopped()
            number = self._number + 1
            content = encode(checked) if self.store is not None else None
            args = checked if content is None else Raw(content)
            frame = out.topic + self._packed(args, workflow_id, number)
            if len(frame) > out.max_bytes:
                raise out.too_large("update", frame)
            self._number, self._frame = number, frame
            if self.store is not None and content is not None:
                self.store.append(number, True, content)
            if out.socket is not None:
                self.counters.sent += 1
                out.send(frame)
            for tap in self.taps:
                tap.note(WholeUpdateNote, frame[len(out.topic) :])
        return number

    def packing_of_value(self) -> Packer:
        """Return what packs the current value; with the lock held."""
        if self._frame is None:
            return Packing(EMPTY, self.model.arguments.shape)
        return PackedValue(self._frame[len(self.out.topic) :])

    def _packed(self, args: Any, workflow_id: object, number: int) -> bytes:
        heartbeat_s = self.model.creation["heartbeat_s"]
        span = UNSET if self._tracing is None else TRACEPARENT.get()
        return encode_published(args, workflow_id, self.out.epoch, number, heartbeat_s, span)

    def send_sign_of_life(self) -> None:
        """Publish the last value again, if there is one."""
        with self.out.lock:
            if self._frame is not None:
                self.out.send(self._frame)


class FullOut(OutState[FullPublication]):
    """Owns the XPUB socket of a full update state."""

    counted = ("sent", "dropped", "restarts", "last_error")
    publication_type = FullPublication
