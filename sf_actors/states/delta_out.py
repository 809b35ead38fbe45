"""The delta update out-state: publishes deltas, heartbeats and, on request, snapshots."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import zmq
from msgspec import UNSET

from sf_actors.actors.taps import DeltaNote
from sf_actors.actors.tracing import TRACEPARENT
from sf_actors.errors import InvalidArguments, MessageError, MessageTooLarge
from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.fields import StateFields
from sf_actors.replication.values.patch import PatchRefused, snapshot
from sf_actors.replication.values.persistent_map import free_gradually
from sf_actors.sockets.frames import receive_frames, require_short_id, send_answer, split_address
from sf_actors.states.out_state import GREETING_PAUSE_S, OutState, Publication
from sf_actors.states.snapshots_out import PackedSnapshot, Transfer, Transfers
from sf_actors.sync.reentry import reentered
from sf_actors.wire.envelope import (
    decode_snapshot_request,
    encode_delta,
    encode_failure,
    encode_heartbeat,
)
from sf_actors.wire.msgpack import EMPTY_MAP
from sf_actors.wire.parts import limit_of, may_come_in_parts, size_of_parts
from sf_actors.wire.snapshots import encode_fill, encode_snapshot_reply
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.run_context import RunContext
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.values.fields import OutgoingUpdate
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.replication.values.pieces import Packing
    from sf_actors.states.snapshots_out import ReturnPath
    from sf_actors.wire.messages import Cut, SnapshotRequest


#: Most answers queued for one peer: one that asks and never reads must not fill our memory.
ANSWERS_QUEUED = 1

#: Time between two checks for room for another version of the value, in seconds.
ROOM_PAUSE_S = 0.02


class DeltaPublication(Publication):
    """A value, its numbered deltas and a log of the recent ones."""

    def __init__(self, run_context: RunContext, model: Model, counters: Counters) -> None:
        super().__init__(run_context, model, counters)
        self.fields = StateFields(
            model.arguments,
            where=model.where,
            is_single=model.single_state,
            is_numbered_by_caller=model.numbered_by_caller,
        )
        self._shape = model.arguments.shape
        self.log = PublisherLog(
            model.arguments.shape,
            epoch=self.out.epoch,
            digest=model.creation["digest"],
            value=self.fields.initial,
            is_loading=True,
        )
        if self.kept is not None and self.kept.last:
            # numbers go on where those of the last run ended
            is_given = model.numbered_by_caller
            count = self.kept.last - 1 if is_given else self.kept.number
            self.log.resume(self.kept.value, count, self.kept.number if is_given else None)
        self.begin_store()
        self.heartbeat_s: float = model.creation["heartbeat_s"]

    def take_epoch(self, epoch: int) -> None:
        """Publish updates under a new epoch from now on; with the lock held."""
        super().take_epoch(epoch)
        self.log.epoch = epoch

    @property
    def value(self) -> Map[str, Any]:
        """The value after the last update."""
        with self.out.lock:
            return self.fields.content(self.log.value)

    @property
    def whole(self) -> Map[str, Any]:
        """The value with all fields of the model; with the lock held."""
        return self.log.value

    @property
    def number(self) -> int:
        """The number of the last update in the value, -1 before the first."""
        return self.log.number

    @property
    def mark(self) -> tuple[int, int]:
        """The epoch of this run, and the publisher's own count of its last update."""
        log = self.log
        return log.epoch, log.count

    def send(self, args: Any, workflow_id: object) -> int | None:
        """Check an update, apply it, number it and publish it; any thread.

        :returns: its number, None if it was skipped
        :raises InvalidArguments: the update fails the model or cannot be applied; nothing was sent
        """
        if self.out.is_held_here():
            raise reentered(self.model.where)
        try:
            fields = self.fields.flat_patch(args)
            if fields is None:
                return self._send_any(self.fields.checked(args), workflow_id)
            with self.out.lock:
                return self._publish_next(fields, fields, workflow_id)
        except PatchRefused as refused:
            raise InvalidArguments(f"{self.model.where}: {refused}") from None

    def _send_any(self, update: OutgoingUpdate, workflow_id: object) -> int | None:
        content, number, cuts = update.content, update.number, update.cuts
        if not update.is_snapshot:
            with self.out.lock:
                return self._publish_next(content, update.typed, workflow_id, number, cuts)
        # without the lock, since the cost grows with the value
        whole = snapshot(update.typed, self._shape)
        digest = self.log.digest_of(whole)
        with self.out.lock:
            # a patched value shares most with the one before it, a whole value shares nothing
            replaced = [self.log.value] if cuts else []
            fields = cast("Mapping[str, Any]", whole)
            number = self._publish_next(
                content, fields, workflow_id, number, cuts, is_snapshot=True, digest=digest
            )
        del whole, fields
        free_gradually(replaced)
        return number

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
    ) -> int | None:
        """Give an update its number, apply it and send it; with the lock held. HOT.

        :param content: the content of `state` on the wire
        :param fields: the fields as a replica will decode them
        :param given: the caller's own number
        """
        log, out = self.log, self.out
        number, own = (log.count + 1, None) if given is None else (given, log.count + 1)
        span = UNSET if self._tracing is None else TRACEPARENT.get()
        packed = encode_delta(number, is_snapshot, content, workflow_id, log.epoch, cuts, own, span)
        frame = out.topic + packed
        if len(frame) > out.max_bytes:
            raise out.too_large("update", frame)
        if out.socket is None:
            self.require_not_stopped()
        # a large update is not kept to fill gaps: a snapshot does that in pieces
        kept = None if cuts else packed
        published = log.publish(fields, is_snapshot, given, kept, digest)
        if published is None:
            self._note_skipped(number)
        elif self.store is not None:
            self.store.append(number, is_snapshot, content, cuts)
        if out.socket is not None:
            self.counters.sent += 1
            out.send(frame)
        if published is not None:
            for tap in self.taps:
                tap.note(DeltaNote, packed)
        return published

    def packing_of_value(self) -> Packing:
        """Return what packs the current value; with the lock held."""
        return self.fields.packing(self.log.value)

    def _note_skipped(self, number: int) -> None:
        self.counters.skipped += 1
        if self.counters.skipped == 1:
            self._run_context.log.warning(
                "update skipped: its number is not above that of the value",
                state=self.model.name,
                number=number,
                value=self.log.number,
            )

    def loaded(self) -> None:
        """Declare the value complete, even if nothing was published, and tell replicas."""
        with self.out.lock:
            was_loading = self.log.is_loading
            self.log.loaded()
        if was_loading and self.out.socket is not None:
            self.send_sign_of_life()

    def send_sign_of_life(self) -> None:
        """Publish the count of the last update."""
        with self.out.lock:
            log = self.log
            beat = encode_heartbeat(
                log.epoch,
                log.count,
                log.digest,
                loading=log.is_loading,
                interval_s=self.heartbeat_s,
            )
            self.out.send(self.out.topic + beat)


class DeltaOut(OutState[DeltaPublication]):
    """Owns the XPUB socket of the deltas and the ROUTER socket of the snapshots."""

    counted = ("sent", "received", "dropped", "skipped", "restarts", "last_error")
    publication_type = DeltaPublication

    def open(self) -> None:
        """Open both sockets."""
        self._max_asking: int = self.model.creation["high_water_mark"]
        #: requests for the snapshot that is being packed, and those that came after it was begun:
        #: by return path, the workflow id of the request and the most bytes that its peer takes
        self._asking: dict[ReturnPath, tuple[object, int | None]] = {}
        self._asking_next: dict[ReturnPath, tuple[object, int | None]] = {}
        #: the snapshot packed last, or being packed
        self._snapshot: PackedSnapshot | None = None
        self._names = [*self.model.arguments.required, *self.model.arguments.optional]
        requests = self.bind(zmq.ROUTER, "replyer", send_queue=ANSWERS_QUEUED)
        # a reply to a peer that is gone must fail, not vanish
        requests.setsockopt(zmq.ROUTER_MANDATORY, 1)
        contents = {"interval_s": self.publication.heartbeat_s, "fields": self._names}
        self._transfers = Transfers(requests, self.counters, self._max_asking, contents)
        self._retry_at: float | None = None
        super().open()
        receive = partial(receive_frames, requests, 1)
        self._requests = self.watch(requests, receive=receive, take=self._take)

    def on_readable(self, source: SocketSource) -> None:
        """Greet subscribers, and read requests for snapshots."""
        # the more requests are read at once, the fewer snapshots are packed
        source.is_probably_single = False
        super().on_readable(source)
        self._pack_for_those_who_ask()

    def on_tick(self) -> None:
        """Give a sign of life if it is due; try again to send to peers that had no room."""
        now = monotonic()
        greeting_at = self._greeted_at + GREETING_PAUSE_S
        due = min(self._beat_at, greeting_at) if self._someone_waits else self._beat_at
        if now >= due:
            super().on_tick()
        else:
            self.inbox.deadline = due
        self._transfers.retry()
        self._retry_at = None
        self._pack_for_those_who_ask()

    def on_step(self) -> None:
        """Pack a piece of a snapshot, answer one request with it, and send one part of another."""
        if self._asking and self._snapshot is not None and self._snapshot.pack_on():
            address, (workflow_id, limit) = self._asking.popitem()
            self._answer(address, workflow_id, limit, self._snapshot)
            if self._count_asking() <= self._max_asking // 2:
                self.inbox.resume(self._requests)
        if self._transfers.can_go_on:
            failed = self._transfers.step()
            if failed is not None:
                transfer, item = failed
                problem = over_limit("an item of the snapshot", item.size, transfer.limit)
                self._fail(transfer.address, transfer.workflow_id, problem)
        self._pack_for_those_who_ask()

    def _count_asking(self) -> int:
        return len(self._asking) + len(self._asking_next)

    def _pack_for_those_who_ask(self) -> None:
        """Begin a snapshot for all requests since the last one was begun.

        It holds the current value. So one encoding serves all requests that came meanwhile, and no
        snapshot is older than its request.
        """
        transfers = self._transfers
        if not self._asking and self._asking_next:
            if transfers.make_room():
                self._begin_snapshot()
            else:
                self._retry_at = monotonic() + ROOM_PAUSE_S
        self.inbox.has_work = bool(self._asking) or transfers.can_go_on
        for due in (transfers.retry_at, self._retry_at):
            if due is not None and self.inbox.deadline is not None:
                self.inbox.deadline = min(self.inbox.deadline, due)

    def _begin_snapshot(self) -> None:
        self._asking, self._asking_next = self._asking_next, {}
        with self.publication.out.lock:
            log = self.publication.log
            now, value = (log.epoch, log.number, log.own_count, log.is_loading), log.value
        if self._snapshot is None or self._snapshot.now != now:
            self._snapshot = PackedSnapshot(now, self.publication.fields.packing(value))

    def _take(self, frames: list[bytes]) -> None:
        self.counters.received += 1
        address: list[bytes] = []
        try:
            require_short_id(frames[0])
            address, payload = split_address(frames)
            request = decode_snapshot_request(payload)
        except MessageError as error:
            self.refuse(error)
            if address:
                self._send(address, encode_failure(type(error).__name__, str(error), None))
            return
        limit = limit_of(request)
        filled = self._filled(request, limit)
        path = tuple(address)
        if filled is not None:
            self._send(address, filled)
        # a peer that asks again while it is being answered gets the first answer
        elif path not in self._transfers:
            asking = self._asking if path in self._asking else self._asking_next
            asking.setdefault(path, (request.workflow_id, limit))
            if self._count_asking() >= self._max_asking:
                self.inbox.pause(self._requests)

    def _send(self, address: Sequence[bytes], reply: bytes) -> None:
        send_answer(self._requests.socket, address, reply, self.counters, is_counted=False)

    def _limit(self, limit: int | None) -> int:
        """Return the most bytes of an answer to a peer with this limit; None: it gave none."""
        most = self.publication.out.max_bytes
        return most if limit is None else min(limit, most)

    def _filled(self, request: SnapshotRequest, limit: int | None) -> bytes | None:
        """Return the deltas that a replica lacks, packed; None if it needs a snapshot instead."""
        with self.publication.out.lock:
            log = self.publication.log
            deltas, count = log.since(request.epoch, request.after), log.own_count
            is_loading = log.is_loading
        if deltas is None or request.epoch is None or is_loading:
            return None
        reply = encode_fill(
            deltas,
            request.workflow_id,
            epoch=request.epoch,
            count=count,
            interval_s=self._heartbeat_s,
        )
        return reply if len(reply) <= self._limit(limit) else None

    def _answer(
        self,
        address: ReturnPath,
        workflow_id: object,
        limit: int | None,
        packed: PackedSnapshot,
    ) -> None:
        """Answer with the whole value: in one message, in parts, or with an error."""
        most, is_loading = self._limit(limit), packed.now[-1]
        size = None if limit is None else size_of_parts(most)
        # while it loads, there is no value to send yet
        raw = EMPTY_MAP if is_loading else packed.packing.raw
        reply = b""
        if len(raw) <= most:
            reply = self._snapshot_reply(workflow_id, packed, raw)
        if reply and len(reply) <= most:
            self._send(address, reply)
        elif size is not None and may_come_in_parts(workflow_id):
            self._transfers.begin(Transfer(address, workflow_id, packed, size, most))
        else:
            problem = over_limit("the snapshot", max(len(reply), len(raw)), most)
            self._fail(address, workflow_id, problem)

    def _fail(self, address: ReturnPath, workflow_id: object, problem: str) -> None:
        self.counters.drop("too_large")
        self.warn("too_large", problem)
        self._send(address, encode_failure(MessageTooLarge.__name__, problem, workflow_id))

    def _snapshot_reply(self, workflow_id: object, packed: PackedSnapshot, raw: bytes) -> bytes:
        epoch, number, count, is_loading = packed.now
        return encode_snapshot_reply(
            raw,
            number,
            workflow_id,
            epoch=epoch,
            cuts=None if is_loading else packed.packing.cuts,
            count=count,
            loading=is_loading,
            interval_s=self._heartbeat_s,
            fields=self._names,
        )
