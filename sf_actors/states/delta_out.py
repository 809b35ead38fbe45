"""The delta update out-state: publishes deltas, heartbeats and, on request, snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import zmq

from sf_actors.errors import InvalidArguments, MessageError, MessageTooLarge
from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.fields import StateFields
from sf_actors.replication.values.patch import PatchRefused, snapshot
from sf_actors.replication.values.persistent_map import free_gradually
from sf_actors.sockets.frames import BATCH, receive_frames, require_short_id, split_address
from sf_actors.states.out_state import OutState, Publication
from sf_actors.wire.envelope import (
    decode_snapshot_request,
    encode_delta,
    encode_failure,
    encode_fill,
    encode_heartbeat,
    encode_snapshot_reply,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.run_context import RunContext
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.values.fields import Update
    from sf_actors.replication.values.pieces import Packing
    from sf_actors.wire.messages import Cut, SnapshotRequest

    #: The frames that lead back to who asked.
    Address = tuple[bytes, ...]


#: Answers that wait for one peer. A request has a few bytes, its answer the whole value: who asks
#: again and again and reads nothing gets no more than this into our memory.
ANSWERS_QUEUED = 1


class DeltaPublication(Publication):
    """A value, its numbered deltas and a log of the recent ones."""

    def __init__(self, world: RunContext, model: Model, counters: Counters) -> None:
        super().__init__(world, model, counters)
        self.fields = StateFields(
            model.arguments,
            where=model.where,
            is_single=model.single_state,
            is_numbered_by_caller=model.numbered_by_caller,
        )
        self._shape = model.arguments.shape
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
        fields = self.fields.flat_patch(args)
        try:
            if fields is None:
                self._send_any(self.fields.checked(args), workflow_id)
                return
            with self.lock:
                self._publish_next(fields, fields, workflow_id)
        except PatchRefused as refused:
            raise InvalidArguments(f"{self.model.where}: {refused}") from None

    def _send_any(self, update: Update, workflow_id: object) -> None:
        content, number, cuts = update.content, update.number, update.cuts
        if not update.is_snapshot:
            with self.lock:
                self._publish_next(content, update.typed, workflow_id, number, cuts)
            return
        # before the lock is held, since it costs what the value holds
        whole = snapshot(update.typed, self._shape)
        digest = self.log.digest_of(whole)
        with self.lock:
            # a patch shares with the value before it what it does not change, a whole value nothing
            replaced = [self.log.value] if cuts else []
            fields = cast("Mapping[str, Any]", whole)
            self._publish_next(
                content, fields, workflow_id, number, cuts, is_snapshot=True, digest=digest
            )
        del whole, fields
        free_gradually(replaced)

    def _publish_next(
        self,
        content: bytes | Mapping[str, Any],
        fields: Mapping[str, Any],
        workflow_id: object,
        given: int | None = None,
        cuts: list[Cut] | None = None,
        *,
        is_snapshot: bool = False,
        digest: int | None = None,
    ) -> None:
        """Give an update its number, apply and send it; with the lock held. HOT.

        :param content: of `state` on the wire
        :param fields: as a replica will decode them
        :param given: the caller's own number
        """
        log = self.log
        if given is None:
            packed = encode_delta(log.count + 1, is_snapshot, content, workflow_id, log.epoch, cuts)
        else:
            packed = encode_delta(
                given, is_snapshot, content, workflow_id, log.epoch, cuts, log.count + 1
            )
        frame = self.topic + packed
        if len(frame) > self.max_bytes:
            raise self.too_large(frame)
        socket = self._socket if self._socket is not None else self.open_socket()
        # what is large is not kept to fill gaps: a snapshot does that in pieces
        kept = None if cuts else packed
        log.publish(fields, is_snapshot, given, kept, digest)
        if socket is not None:
            self.publish(socket, frame)
            self.counters.sent += 1

    def send_sign_of_life(self) -> None:
        """Publish the count of the last update."""
        with self.lock:
            log = self.log
            beat = self.topic + encode_heartbeat(log.epoch, log.count, log.digest)
            socket = self.open_socket()
            if socket is not None:
                self.publish(socket, beat)


class PackedSnapshot:
    """A packed snapshot and the version that it holds.

    :ivar now: its epoch, number and count, the last None where the numbers are the counts
    """

    def __init__(self, now: tuple[int, int, int | None], packing: Packing) -> None:
        self.now = now
        self.packing = packing
        self._is_packed = False

    def pack_on(self) -> bool:
        """Pack some more runs, unless all is packed; whether it was already."""
        was_packed = self._is_packed
        self._is_packed = was_packed or self.packing.step()
        return was_packed


class DeltaOut(OutState[DeltaPublication]):
    """Owns the XPUB socket of the deltas and the ROUTER socket of the snapshots."""

    counted = ("sent", "received", "dropped", "restarts", "last_error")

    @classmethod
    def publication_of(
        cls, world: RunContext, model: Model, counters: Counters
    ) -> DeltaPublication:
        """Return what callers use, which outlives a restart of the actor."""
        return DeltaPublication(world, model, counters)

    def open(self) -> None:
        """Open both sockets."""
        self._max_bytes: int = self.model.creation["max_message_bytes"]
        self._max_asking: int = self.model.creation["high_water_mark"]
        #: who waits for the snapshot that is being packed, and who asked after that was begun:
        #: where the reply goes, and the workflow id of the request
        self._asking: dict[Address, object] = {}
        self._asking_next: dict[Address, object] = {}
        #: the snapshot packed last, or being packed
        self._snapshot: PackedSnapshot | None = None
        requests = self.bind(zmq.ROUTER, "replyer", send_queue=ANSWERS_QUEUED)
        # a reply to a peer that is gone is to be seen, not swallowed
        requests.setsockopt(zmq.ROUTER_MANDATORY, 1)
        super().open()
        self._requests = self.watch(requests)

    def on_readable(self, source: SocketSource) -> None:
        """Greet subscribers, read requests for snapshots."""
        if source is not self._requests:
            super().on_readable(source)
            return
        for _ in range(BATCH):
            if self._count_asking() >= self._max_asking:
                self.inbox.pause(source)
                break
            try:
                frames = receive_frames(source.socket, has_address=True)
            except zmq.Again:
                source.drained()
                break
            self._take_request(frames)
        self._pack_for_those_who_ask()

    def on_step(self) -> None:
        """Pack a piece of a snapshot, or give a snapshot to one who asked for it."""
        if self._snapshot is not None and self._snapshot.pack_on():
            if self._asking:
                address, workflow_id = self._asking.popitem()
                self._send(address, self._snapshot_reply(workflow_id, self._snapshot))
                if self._count_asking() <= self._max_asking // 2:
                    self.inbox.resume(self._requests)
            if not self._asking:
                self.inbox.has_work = False
                self._pack_for_those_who_ask()

    def _count_asking(self) -> int:
        return len(self._asking) + len(self._asking_next)

    def _pack_for_those_who_ask(self) -> None:
        """Begin a snapshot for all who asked since the last was begun.

        It is of the value of now: so however many ask while updates go on, one encoding serves
        them, and none gets a snapshot that is older than its request.
        """
        if self.inbox.has_work or not self._asking_next:
            return
        self._asking, self._asking_next = self._asking_next, {}
        with self.publication.lock:
            log = self.publication.log
            now, value = (log.epoch, log.number, log.own_count), log.value
        if self._snapshot is None or self._snapshot.now != now:
            self._snapshot = PackedSnapshot(now, self.publication.fields.packing(value))
        self.inbox.has_work = True

    def _take_request(self, frames: list[bytes]) -> None:
        self.counters.received += 1
        address: list[bytes] = []
        try:
            require_short_id(frames[0])
            address, payload = split_address(frames)
            request = decode_snapshot_request(payload)
        except MessageError as error:
            self.counters.drop(error.reason)
            self.warn(error.reason, str(error))
            if address:
                self._send(address, encode_failure(type(error).__name__, str(error), None))
            return
        filled = self._filled(request)
        if filled is not None:
            self._send(address, filled)
        else:
            # who grew impatient gets what it asked for at first
            asking = self._asking if tuple(address) in self._asking else self._asking_next
            asking.setdefault(tuple(address), request.workflow_id)

    def _send(self, address: Sequence[bytes], reply: bytes) -> None:
        requests = self._requests
        try:
            requests.socket.send_multipart([*address, reply], zmq.NOBLOCK)
        except zmq.Again:
            self.counters.drop("queue_full")
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.counters.drop("peer_gone")
        requests.touched()

    def _filled(self, request: SnapshotRequest) -> bytes | None:
        """Return the deltas that a replica lacks, if they are known, do and fit a message."""
        with self.publication.lock:
            log = self.publication.log
            deltas = log.since(request.epoch, request.after)
            count = log.own_count
        if deltas is None or request.epoch is None:
            return None
        reply = encode_fill(deltas, request.workflow_id, epoch=request.epoch, count=count)
        return reply if len(reply) <= self._max_bytes else None

    def _snapshot_reply(self, workflow_id: object, packed: PackedSnapshot) -> bytes:
        epoch, number, count = packed.now
        reply = encode_snapshot_reply(
            packed.packing.raw,
            number,
            workflow_id,
            epoch=epoch,
            cuts=packed.packing.cuts,
            count=count,
        )
        if len(reply) <= self._max_bytes:
            return reply
        problem = f"the snapshot has {len(reply)} bytes, max_message_bytes allows {self._max_bytes}"
        self.counters.drop("too_large")
        self.warn("too_large", problem)
        return encode_failure(MessageTooLarge.__name__, problem, workflow_id)
