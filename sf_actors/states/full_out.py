"""The full update out-state: publishes whole values, and the last one again to who joins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.states.out_state import OutState, Publication
from sf_actors.wire.envelope import encode_published

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model


class FullPublication(Publication):
    """Whole values, numbered; the last one is kept as it was sent."""

    # each send looks: who joins after the last one is to get it at once
    look_pause_s = 0.0

    def __init__(self, run_context: RunContext, model: Model, counters: Counters) -> None:
        super().__init__(run_context, model, counters)
        self._number = -1
        #: the last update as it was sent
        self._frame: bytes | None = None

    def send(self, args: Any, workflow_id: object) -> None:
        """Check a value, number it and publish it; any thread.

        :raises InvalidArguments: it fails the model; nothing was sent
        """
        checked = self.model.arguments.checked(args)
        out = self.out
        with out.lock:
            if out.socket is None:
                self.require_not_stopped()
            number = self._number + 1
            frame = out.topic + encode_published(checked, workflow_id, out.epoch, number)
            if len(frame) > out.max_bytes:
                raise out.too_large("update", frame)
            self._number, self._frame = number, frame
            if out.socket is not None:
                out.send(frame)
                self.counters.sent += 1

    def send_sign_of_life(self) -> None:
        """Publish the last value again, if there is one."""
        with self.out.lock:
            if self._frame is not None:
                self.out.send(self._frame)


class FullOut(OutState[FullPublication]):
    """Owns the XPUB socket of a full update state."""

    counted = ("sent", "dropped", "restarts", "last_error")
    publication_type = FullPublication
