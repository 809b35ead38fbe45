"""The delta update out-state: publishes deltas, heartbeats and, on request, snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.actors.address_frames import split_address
from sf_actors.actors.base import BATCH
from sf_actors.actors.out_state import OutState, Publication
from sf_actors.actors.state_fields import StateFields
from sf_actors.errors import InvalidArguments, MessageError
from sf_actors.replication.patch import PatchRefused
from sf_actors.replication.publisher import PublisherLog
from sf_actors.wire.envelope import (
    decode_snapshot_request,
    encode_delta,
    encode_delta_args,
    encode_failure,
    encode_fill,
    encode_heartbeat,
    encode_snapshot_reply,
)

if TYPE_CHECKING:
    from sf_actors.actors.inbox import Source
    from sf_actors.actors.transport import Socket
    from sf_actors.actors.world import World
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model


class DeltaPublication(Publication):
    """A value, its numbered deltas and a log of the recent ones."""

    def __init__(self, world: World, model: Model, counters: Counters) -> None:
        super().__init__(world, model, counters)
        self.fields = StateFields(model)
        self.log = PublisherLog(
            model.arguments.shape, epoch=self.epoch, digest=model.creation["digest"]
        )

    def attach(self, socket: Socket) -> None:
        """Send through a socket from now on, as a new epoch."""
        super().attach(socket)
        with self.lock:
            self.log.epoch = self.epoch

    def send(self, args: Any, workflow_id: object) -> None:
        """Check an update, apply it, number it and publish it; any thread.

        :raises InvalidArguments: the update fails the model or cannot be applied; nothing was sent
        """
        update = self.fields.checked(args)
        log = self.log
        with self.lock:
            socket = self.open_socket()
            number = log.number + 1 if update.number is None else update.number
            packed = encode_delta_args(number, update.is_snapshot, update.raw)
            frame = self.framed(encode_delta(packed, workflow_id, log.epoch))
            try:
                log.publish(
                    update.typed,
                    is_snapshot=update.is_snapshot,
                    number=update.number,
                    frame=packed,
                )
            except PatchRefused as refused:
                raise InvalidArguments(f"{self.model.where}: {refused}") from None
            socket.send(frame, zmq.NOBLOCK)
            self.counters.sent += 1

    def send_sign_of_life(self) -> None:
        """Publish the number of the last update."""
        with self.lock:
            log = self.log
            beat = encode_heartbeat(log.epoch, log.number, log.digest)
            self.open_socket().send(self.framed(beat), zmq.NOBLOCK)


class DeltaOut(OutState[DeltaPublication]):
    """Owns the XPUB socket of the deltas and the ROUTER socket of the snapshots."""

    counted = ("sent", "received", "dropped", "restarts", "last_error")

    @classmethod
    def publication_of(cls, world: World, model: Model, counters: Counters) -> DeltaPublication:
        """Return what callers use, which outlives a restart of the actor."""
        return DeltaPublication(world, model, counters)

    def open(self) -> None:
        """Open both sockets."""
        self._snapshot: tuple[int, int, bytes] | None = None
        requests = self.bind(zmq.ROUTER, "replyer")
        super().open()
        self._requests = self.watch(requests)

    def on_readable(self, source: Source) -> None:
        """Greet subscribers, answer requests for snapshots."""
        if source is not self._requests:
            super().on_readable(source)
            return
        for _ in range(BATCH):
            try:
                frames = source.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                source.drained()
                return
            self._answer(source.socket, frames)

    def _answer(self, socket: Socket, frames: list[bytes]) -> None:
        self.counters.received += 1
        address: list[bytes] = []
        try:
            address, payload = split_address(frames)
            request = decode_snapshot_request(payload)
        except MessageError as error:
            self.counters.drop(error.reason)
            self.warn(error.reason, str(error))
            if not address:
                return
            reply = encode_failure(type(error).__name__, str(error), None)
        else:
            reply = self._reply(request.epoch, request.after, request.workflow_id)
        try:
            socket.send_multipart([*address, reply], zmq.NOBLOCK)
        except zmq.Again:
            self.counters.drop("queue_full")

    def _reply(self, epoch: int | None, after: int | None, workflow_id: object) -> bytes:
        log = self.publication.log
        with self.publication.lock:
            deltas = log.since(epoch, after)
            now, number, value = log.epoch, log.number, log.value
        if deltas is not None:
            return encode_fill(deltas, workflow_id, epoch=now)
        if self._snapshot is None or self._snapshot[:2] != (now, number):
            # one encoding serves all who ask at this number
            self._snapshot = (now, number, self.publication.fields.encoded(value))
        return encode_snapshot_reply(self._snapshot[2], number, workflow_id, epoch=now)
