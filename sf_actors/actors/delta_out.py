"""The delta update out-state: publishes deltas, heartbeats and, on request, snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.actors.base import BATCH
from sf_actors.actors.frames import split_address
from sf_actors.actors.out_state import OutState, Publication
from sf_actors.actors.state_fields import StateFields
from sf_actors.errors import InvalidArguments, MessageError, MessageTooLarge
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
    from sf_actors.replication.trie import Map
    from sf_actors.wire.envelope import SnapshotRequest


class DeltaPublication(Publication):
    """A value, its numbered deltas and a log of the recent ones."""

    def __init__(self, world: World, model: Model, counters: Counters) -> None:
        super().__init__(world, model, counters)
        self.fields = StateFields(model)
        self.log = PublisherLog(
            model.arguments.shape,
            epoch=self.epoch,
            digest=model.creation["digest"],
            value=self.fields.initial,
        )

    def take_epoch(self, epoch: int) -> None:
        """Let updates belong to another run from now on; with the lock held."""
        super().take_epoch(epoch)
        self.log.epoch = epoch

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
            if socket is not None:
                socket.send(frame, zmq.NOBLOCK)
                self.counters.sent += 1

    def send_sign_of_life(self) -> None:
        """Publish the number of the last update."""
        with self.lock:
            log = self.log
            beat = self.topic + encode_heartbeat(log.epoch, log.number, log.digest)
            socket = self.open_socket()
            if socket is not None:
                socket.send(beat, zmq.NOBLOCK)


class DeltaOut(OutState[DeltaPublication]):
    """Owns the XPUB socket of the deltas and the ROUTER socket of the snapshots."""

    counted = ("sent", "received", "dropped", "restarts", "last_error")

    @classmethod
    def publication_of(cls, world: World, model: Model, counters: Counters) -> DeltaPublication:
        """Return what callers use, which outlives a restart of the actor."""
        return DeltaPublication(world, model, counters)

    def open(self) -> None:
        """Open both sockets."""
        #: epoch and number of a value, and the value encoded
        self._snapshot: tuple[tuple[int, int], bytes] | None = None
        self._max_bytes: int = self.model.creation["max_message_bytes"]
        requests = self.bind(zmq.ROUTER, "replyer")
        # a reply to a peer that is gone is to be seen, not swallowed
        requests.setsockopt(zmq.ROUTER_MANDATORY, 1)
        super().open()
        self._requests = self.watch(requests)

    def on_readable(self, source: Source) -> None:
        """Greet subscribers, answer requests for snapshots."""
        if source is not self._requests:
            super().on_readable(source)
            return
        # All that wait are read before the first is answered, with the value of then: so however
        # many ask while updates go on, one encoding serves them.
        requests = []
        for _ in range(BATCH):
            try:
                requests.append(source.socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                source.drained()
                break
        with self.publication.lock:
            log = self.publication.log
            now, value = (log.epoch, log.number), log.value
        for frames in requests:
            self._answer(source.socket, frames, now, value)

    def _answer(
        self, socket: Socket, frames: list[bytes], now: tuple[int, int], value: Map[str, Any]
    ) -> None:
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
            reply = self._filled(request) or self._snapshot_reply(request, now, value)
        try:
            socket.send_multipart([*address, reply], zmq.NOBLOCK)
        except zmq.Again:
            self.counters.drop("queue_full")
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.counters.drop("peer_gone")

    def _filled(self, request: SnapshotRequest) -> bytes | None:
        """Return the deltas that a replica lacks, if they are known, do and fit a message."""
        with self.publication.lock:
            deltas = self.publication.log.since(request.epoch, request.after)
        if deltas is None or request.epoch is None:
            return None
        reply = encode_fill(deltas, request.workflow_id, epoch=request.epoch)
        return reply if len(reply) <= self._max_bytes else None

    def _snapshot_reply(
        self, request: SnapshotRequest, now: tuple[int, int], value: Map[str, Any]
    ) -> bytes:
        if self._snapshot is None or self._snapshot[0] != now:
            self._snapshot = (now, self.publication.fields.encoded(value))
        epoch, number = now
        reply = encode_snapshot_reply(self._snapshot[1], number, request.workflow_id, epoch=epoch)
        if len(reply) <= self._max_bytes:
            return reply
        problem = f"the snapshot has {len(reply)} bytes, max_message_bytes allows {self._max_bytes}"
        self.counters.drop("too_large")
        self.warn("too_large", problem)
        return encode_failure(MessageTooLarge.__name__, problem, request.workflow_id)
