"""The delta update in-state: an actor that follows a delta update out-state."""

from __future__ import annotations

import random
from collections.abc import Mapping  # noqa: TC003 - of a Struct's fields
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import zmq
from msgspec import UnsetType

from sf_actors.actors.tracing import Traced
from sf_actors.errors import MessageError, Undecodable
from sf_actors.replication.actions import Ask, PhaseChanged, Updated
from sf_actors.replication.replica import Replica
from sf_actors.replication.status import Phase
from sf_actors.replication.values.fields import StateFields
from sf_actors.replication.values.persistent_map import free_gradually
from sf_actors.schema.unknown import changes_nothing
from sf_actors.sockets.frames import receive_frames
from sf_actors.states.arriving import LazyFields, SnapshotInParts, SnapshotInProgress
from sf_actors.states.in_state import NO_KNOWN, InState
from sf_actors.wire.envelope import decode_delta, decode_snapshot_reply, encode_snapshot_request
from sf_actors.wire.snapshots import decode_fill, decode_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.taps import Tap
    from sf_actors.replication.actions import Action
    from sf_actors.wire.messages import Cut, DeltaArgs, DeltaMessage, SnapshotArgs, SnapshotReply


class DeltaIn(InState):
    """Owns the SUB socket of the deltas and the DEALER socket of the snapshot requests.

    `Replica` decides what to do; this actor brings it events and carries out its actions.
    """

    def open(self) -> None:
        """Open the subscription; the first request opens the other socket."""
        creation = self.model.creation
        self.open_subscription(is_binder=False)
        self._has_unknown = self._has_dropped = False
        #: the epoch of the publisher whose value has fields that were dropped here
        self._dropped_epoch: int | None = None
        self._fields = StateFields(
            self.incoming(self.model.arguments),
            where=self.model.where,
            is_single=self.model.single_state,
            is_numbered_by_caller=self.model.numbered_by_caller,
        )
        # of a single field `state`, its content
        self.content = self._fields.content
        self.packing = self._fields.packing
        self._delta_at_once = self._fields.delta_at_once
        self._replica = Replica(
            self.model.arguments.shape,
            now=monotonic(),
            heartbeat_s=creation["heartbeat_s"],
            stale_after_s=creation["stale_after_s"],
            rng=random.Random(),  # noqa: S311 - spreads requests, guards nothing
            reports_all=self.handler is not None or bool(self.taps),
        )
        self._requests: SocketSource | None = None
        self._is_answered = True
        self._was_heard = False
        #: a large snapshot that is being read
        self._arriving: SnapshotInProgress | None = None
        self._count_shown = self._replica.count
        self.show(self._replica)
        self.follow_subscription()
        self.inbox.deadline = self._replica.next_deadline

    def on_taps(self, new: Tap | None) -> None:
        """Have the replica report each update while there are taps."""
        self._show_kept()
        self._replica.reports_all = self.handler is not None or bool(self.taps)
        super().on_taps(new)

    def read(self) -> None:
        """Show what was read, even if it needs no call, and notify those who wait for it."""
        if self._replica.count != self._count_shown:
            self._show_kept()
        super().read()

    def on_tick(self) -> None:
        """Handle a deadline of the replica."""
        self._act(self._replica.on_tick(monotonic()))
        self.log_trouble()
        self.read()
        self.inbox.deadline = self._replica.next_deadline

    def take(self, message: bytes | memoryview) -> None:
        """Hand a delta or heartbeat to the replica; HOT."""
        replica = self._replica
        usual = self._delta_at_once(message) if replica.phase is Phase.LIVE else None
        # a delta that is not the next one may be kept for a while: then it stays packed
        if usual is not None and usual.args.current_num == replica.count + 1:
            id_ = usual.workflow_id
            if self.tracing is not None:
                id_ = Traced(id_, usual.traceparent)
            actions = replica.on_delta(
                monotonic(), usual.epoch, usual.args.current_num, False, usual.args.state, None, id_
            )
            if len(actions) == 1 and type(only := actions[0]) is Updated:
                # the usual outcome of a delta
                self.update(only, id_, size=len(message))
            elif actions:
                self._act(actions)
        else:
            self._take_any(message)

    def count_unknown(self) -> None:
        """Note that a piece of an update had unknown fields; a large update has many pieces."""
        self._has_unknown = True

    def _decoded_patch(self, raw: msgspec.Raw, cuts: list[Cut] | None = None) -> Mapping[str, Any]:
        """Return the fields of a delta; `NO_KNOWN` if all of them were unknown."""
        if cuts:
            fields = self._fields.decoded(raw, is_snapshot=False, cuts=cuts)
        else:
            fields = self._fields.decoded_patch(raw)
        shape = self.model.arguments.shape
        if self._has_unknown and changes_nothing(fields, shape, self._replica.value):
            fields = NO_KNOWN
        self._count_dropped()
        return fields

    def _count_dropped(self) -> None:
        """Count an update if some of its fields were dropped."""
        if self._has_unknown:
            self._has_unknown = False
            self._has_dropped = True
            self.counters.unknown_fields += 1

    def _note_dropped(self, epoch: int | None) -> None:
        """Note the epoch of a value that lacks fields here: its digests are ignored from now on."""
        self._count_dropped()
        if self._has_dropped:
            self._has_dropped = False
            self._dropped_epoch = epoch

    def _take_any(self, message: bytes | memoryview) -> None:
        envelope = decode_delta(message)
        args = envelope.args
        if envelope.is_heartbeat:
            self._take_heartbeat(envelope)
            return
        replaced = [self._replica.value] if envelope.cuts else None
        actions = self._replica.on_delta(
            monotonic(),
            envelope.epoch,
            args.current_num,
            args.is_snapshot,
            self._packed(args, len(message), envelope.cuts),
            envelope.count,
            envelope.workflow_id
            if self.tracing is None
            else Traced(envelope.workflow_id, envelope.traceparent),
        )
        self._note_dropped(envelope.epoch)
        self._act(actions)
        if replaced is not None:
            del actions
            free_gradually(replaced)

    def _take_heartbeat(self, envelope: DeltaMessage) -> None:
        if envelope.epoch is None or envelope.head is None:
            raise Undecodable("expected a heartbeat with an epoch, got one without")
        head, digest = envelope.head, envelope.digest
        if envelope.epoch == self._dropped_epoch:
            digest = None
        beat = self._replica.on_heartbeat(
            monotonic(),
            envelope.epoch,
            head,
            digest,
            is_loading=envelope.loading,
            interval_s=envelope.interval_s,
        )
        self._act(beat)
        self.log_trouble()

    def _packed(self, args: DeltaArgs, size: int, cuts: list[Cut] | None = None) -> LazyFields:
        decode: Any = self._decoded_patch
        if args.is_snapshot:
            decode = partial(self._fields.decoded, is_snapshot=True, cuts=cuts)
        elif cuts:
            decode = partial(decode, cuts=cuts)
        return LazyFields(decode, args.state, size)

    def _act(self, actions: Sequence[Action]) -> None:
        """Carry out the actions of the replica."""
        # while it is LIVE, an update only puts its deadline off, and waking up too early costs
        # little
        is_in_step = self._replica.phase is Phase.LIVE
        if actions and not isinstance(actions[0], Updated):
            self._show_kept()
        for place, action in enumerate(actions, 1):
            if isinstance(action, Updated):
                is_last = place == len(actions) or not isinstance(actions[place], Updated)
                # without a handler, only the last value of a batch is published to readers
                if is_last or self.handler is not None or self.taps:
                    self.update(action, action.workflow_id, size=action.size, is_last=is_last)
                continue
            is_in_step = False
            if isinstance(action, Ask):
                self._ask(action)
            elif isinstance(action, PhaseChanged):
                if action.status.phase is Phase.LIVE:
                    self._let_go()
                self.show_status(action.status, action.reason)
        if not is_in_step:
            self.inbox.deadline = self._replica.next_deadline

    def _show_kept(self) -> None:
        """Show the value with the updates that the replica has not reported one by one."""
        replica = self._replica
        if replica.count != self._count_shown:
            self._show(replica.number, (self.content(replica.value), replica.epoch, replica.count))

    # snapshots

    def _ask(self, ask: Ask) -> None:
        """Send a request.

        If the last request is unanswered, its socket is closed along with what it still had to
        send, unless the publisher is heard: a slow publisher answers on the socket of the first
        request.
        """
        is_heard = self._is_heard()
        if not self._is_answered and not (self._was_heard and is_heard):
            self._drop_requests()
        self._was_heard = is_heard
        if self._requests is None:
            socket = self.connect(zmq.DEALER, "requester")
            receive = partial(receive_frames, socket)
            self._requests = self.watch(socket, receive=receive, take=self._take_frames)
        self._is_answered = False
        request = encode_snapshot_request(
            ask.token,
            epoch=ask.epoch,
            after=ask.after,
            max_message_bytes=self.model.creation["max_message_bytes"],
        )
        try:
            self._requests.socket.send_multipart([b"", request], zmq.NOBLOCK)
        except zmq.Again:
            self.counters.drop("queue_full")

    def _is_heard(self) -> bool:
        age_s = self._replica.status(monotonic()).age_s
        return age_s is not None and age_s < self._replica.stale_after_s

    def _drop_requests(self) -> None:
        if self._requests is not None:
            self.disconnect(self._requests)
            self._requests = None

    def _take_frames(self, frames: list[bytes]) -> None:
        try:
            self._take_answer(decode_snapshot_reply(frames[-1]))
        finally:
            self.log_trouble()

    def _take_answer(self, reply: SnapshotReply) -> None:
        token, now, replica = reply.workflow_id, monotonic(), self._replica
        if not isinstance(token, int):
            raise Undecodable(f"expected our own workflow id in the snapshot, got {token!r}")
        self._is_answered = True
        snapshot = reply.return_args
        if reply.error is not None:
            problem = f"the publisher answered {reply.error.type}: {reply.error.message}"
            self._act(replica.on_failure(now, token, problem))
        elif not isinstance(reply.deltas, UnsetType):
            try:
                deltas = decode_fill(reply.deltas)
            except MessageError as error:
                self._act(replica.on_failure(now, token, str(error)))
                raise
            filled = [
                (d.current_num, d.is_snapshot, self._packed(d, memoryview(d.state).nbytes), id_)
                for d, id_ in deltas
            ]
            filling = replica.on_fill(
                now,
                token,
                reply.epoch,
                filled,
                count=reply.count,
                interval_s=reply.interval_s,
            )
            self._note_dropped(reply.epoch)
            self._act(filling)
        elif not isinstance(snapshot, UnsetType):
            if reply.part is not None or reply.parts is not None:
                self._take_part(now, token, reply, snapshot)
                return
            if reply.cuts:
                # finish this one first: beginning anew with each snapshot would never end
                if self._arriving is None:
                    self._arriving = SnapshotInProgress(reply, snapshot, reply.cuts, self._fields)
                    self.inbox.has_work = True
                return
            decoded, raw = self._fields.decoded_value, snapshot.state
            actions = replica.on_snapshot(
                now,
                token,
                reply.epoch,
                snapshot.current_num,
                lambda: decoded(raw),
                count=reply.count,
                is_loading=reply.loading,
                interval_s=reply.interval_s,
                names=decode_names(reply),
            )
            self._note_dropped(reply.epoch)
            self._act(actions)

    def _take_part(
        self, now: float, token: int, reply: SnapshotReply, snapshot: SnapshotArgs
    ) -> None:
        """Add a part of a snapshot.

        Parts of a snapshot that is no longer wanted, or whose first part was missed, are dropped.

        :raises Undecodable: it is not the next part; the replica asks again
        """
        arriving, replica = self._arriving, self._replica
        is_next = isinstance(arriving, SnapshotInParts) and arriving.token == token
        is_first = reply.part == 0 and not is_next and (arriving is None or arriving.is_waiting)
        if not (is_first or is_next) or not replica.on_progress(now, token):
            return
        try:
            if isinstance(arriving, SnapshotInParts) and is_next:
                arriving.add(reply, snapshot)
            else:
                self._let_go()
                self._arriving = SnapshotInParts(reply, snapshot, self._fields)
        except MessageError as error:
            self._let_go()
            self._act(replica.on_failure(now, token, str(error)))
            raise
        self.inbox.has_work = self._has_work()
        self.inbox.deadline = replica.next_deadline

    def _has_work(self) -> bool:
        return self._arriving is not None and not self._arriving.is_waiting

    def _let_go(self) -> None:
        """Drop a snapshot that is not complete."""
        arriving, self._arriving = self._arriving, None
        if arriving is not None:
            free_gradually([arriving.let_go()])

    def on_drain(self) -> None:
        """Stop reading, and drop a snapshot that is not complete."""
        super().on_drain()
        self._let_go()
        self.inbox.has_work = False

    def on_step(self) -> None:
        """Read a piece of a snapshot; updates that arrive meanwhile are buffered."""
        arriving, now, replica = self._arriving, monotonic(), self._replica
        if arriving is None or not replica.on_progress(now, arriving.token):
            self._let_go()
        elif arriving.step():
            self._arriving = None
            replaced = [replica.value]
            actions = replica.on_snapshot(
                now,
                arriving.token,
                arriving.version.epoch,
                arriving.version.number,
                arriving.fields,
                count=arriving.version.count,
                interval_s=arriving.interval_s,
                names=arriving.names,
            )
            self._note_dropped(arriving.version.epoch)
            self._act(actions)
            del actions
            free_gradually(replaced)
            self.log_trouble()
        self.read()
        self.inbox.has_work = self._has_work()
        self.inbox.deadline = replica.next_deadline
