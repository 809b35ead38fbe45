"""The base of delta and full update out-states: a publishing socket that greets subscribers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import zmq

from sf_actors.actors.socket_actor import SocketActor
from sf_actors.definition.paths import filled
from sf_actors.errors import ServiceStopped
from sf_actors.replication.status import Phase, Status
from sf_actors.sockets.frames import BATCH
from sf_actors.sockets.publishing_socket import PublishingSocket, note_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Packer, Tap
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.storage.reading import StoredValue
    from sf_actors.storage.store import Store


#: Least time between two greetings: when many subscribe at once, one greets them all.
GREETING_PAUSE_S = 0.02


class SubscriptionWaits:
    """A send consumed the wake-up of a subscription: read the socket."""


class Publication(ABC):
    """An out-state as the callers of `to_send` use it: one at a time, under the socket's lock.

    An update is numbered and sent under the lock, so that numbers leave in order. The value
    outlives a restart of the actor; the epoch does not. While an actor that died is being replaced,
    updates are accepted but not sent: with the new epoch all replicas fetch the value.
    """

    #: Least time between two looks for subscriptions by callers' sends, in seconds.
    look_pause_s: ClassVar[float] = 0.01

    def __init__(self, run_context: RunContext, model: Model, counters: Counters) -> None:
        self.model = model
        self.counters = counters
        self._run_context = run_context
        #: keeps the value in a file, if the model asks for it
        self.store: Store | None = None
        self.kept = self._opened_store()
        self.out = PublishingSocket(
            model.creation,
            counters,
            run_context.log,
            where=model.where,
            look=self._look,
            has_keys=run_context.transport.is_secured,
        )
        #: when subscribers have had the time to join, in seconds of `time.monotonic`
        self.ready_at = 0.0
        self._tracing = run_context.tracing
        #: they get a copy of each update; changed with the lock held
        self.taps: tuple[Tap, ...] = ()
        #: the actor that is told of subscriptions which a caller's send came upon
        self.actor: SocketActor | None = None

    def _opened_store(self) -> StoredValue | None:
        """Open the file that keeps the value, and return what it holds.

        :raises StoreError: it cannot be used
        """
        path = self.model.creation["store"]
        if path is None:
            return None
        # imported here, since most services have no store
        from sf_actors.storage.store import Store  # noqa: PLC0415

        path = filled(path, self._run_context.name, where=f"{self.model.where}: 'store'")
        self.store, kept = Store.open(
            path, self.model.arguments, is_single=self.model.single_state, where=self.model.where
        )
        if kept.epoch is not None:
            note_epoch(kept.epoch)
        return kept

    def begin_store(self) -> None:
        """Begin to write the file in the background; in the thread that starts the service.

        :raises StoreError: another process has the file
        """
        self.kept = None
        if self.store is not None:
            self.store.begin(
                self.out.epoch,
                self.out.lock,
                lambda: (self.number, self.whole),
                log=self._run_context.log,
                on_failed=self._count_failure,
            )

    def close_store(self, timeout_s: float) -> None:
        """Write what the file lacks, and close it; any thread."""
        if self.store is not None:
            self.store.close(timeout_s)

    def _count_failure(self) -> None:
        self.counters.store_failed += 1

    def set_taps(self, taps: tuple[Tap, ...], new: Tap | None) -> None:
        """Copy updates to these taps from now on, to a new one the value first; any thread."""
        with self.out.lock:
            if new is not None:
                new.add_value(self.packing_of_value, self.number)
            self.taps = taps

    @abstractmethod
    def packing_of_value(self) -> Packer:
        """Return what packs the current value; with the lock held."""

    @property
    @abstractmethod
    def whole(self) -> Map[str, Any]:
        """The value with all fields of the model; with the lock held."""

    @abstractmethod
    def send(self, args: Any, workflow_id: object) -> int | None:
        """Check an update and publish it; any thread.

        :returns: its number, None if it was skipped
        :raises InvalidArguments: the update fails the model or cannot be applied; nothing was sent
        """

    @property
    @abstractmethod
    def value(self) -> Map[str, Any]:
        """The value after the last update, as `states` shows it; any thread."""

    @property
    @abstractmethod
    def number(self) -> int:
        """The number of the last update, -1 before the first; any thread."""

    @property
    @abstractmethod
    def mark(self) -> tuple[int, int]:
        """The epoch of this run, and the publisher's own count of its last update; any thread."""

    def status(self) -> Status:
        """Return the status, which is always LIVE: the value is not a replica; any thread."""
        skipped = self.counters.skipped
        return Status(Phase.LIVE, self.number, self.out.epoch, 0.0, 0, 0, skipped=skipped)

    @abstractmethod
    def send_sign_of_life(self) -> None:
        """Publish a heartbeat, so that replicas know how far it is; in the actor's thread."""

    def attach(self, socket: Socket) -> None:
        """Send through a socket from now on, as a new epoch."""
        with self.out.lock:
            self.out.attach(socket)
            self.take_epoch(self.out.epoch)
            self.ready_at = monotonic() + self.model.creation["wait_after_creation_s"]

    def take_epoch(self, epoch: int) -> None:
        """Publish updates under a new epoch from now on; with the lock held."""
        if self.store is not None:
            self.store.renew(epoch)

    def loaded(self) -> None:  # noqa: B027 - not every state loads
        """Declare the value complete, even if nothing was published."""

    def detach(self) -> None:
        """Stop sending."""
        with self.out.lock:
            self.out.socket = None

    def read_subscriptions(self, source: SocketSource) -> int:
        """Read subscriptions, a batch at most; runs in the actor's thread.

        :returns: how many subscribed
        """
        with self.out.lock:
            self.out.look_at = 0.0
            if self.out.subscriptions is None:
                return 0
            joined, is_drained = self.out.subscriptions.read(BATCH)
        if is_drained:
            source.drained()
        return joined

    def require_not_stopped(self) -> None:
        """Refuse an update that no socket will ever send; with the lock held.

        :raises ServiceStopped: there is no socket, and there will be none
        """
        if self.out.socket is None and self._run_context.closing.is_set():
            raise ServiceStopped(f"{self.model.where}: {self._run_context.name} has stopped")

    def _look(self, now: float) -> None:
        """Tell the actor to read subscriptions, since a send may consume the signal of one."""
        out = self.out
        out.look_at = now + self.look_pause_s
        if self.actor is None or out.subscriptions is None or not out.subscriptions.is_readable():
            return
        if self.actor.tell(SubscriptionWaits()):
            # don't look again until they are read
            out.look_at = float("inf")


P = TypeVar("P", bound=Publication)


class OutState(SocketActor, Generic[P]):
    """Owns the XPUB socket that callers send on, greets new subscribers and gives signs of life.

    :param publication: the part that the callers of `to_send` use
    """

    def __init__(
        self,
        run_context: RunContext,
        model: Model,
        endpoints: Mapping[str, Endpoint],
        counters: Counters,
        publication: P,
    ) -> None:
        super().__init__(run_context, model, endpoints, counters)
        self.restart_arguments = (run_context, model, endpoints, counters, publication)
        self.publication = publication

    def open(self) -> None:
        """Open the publishing socket."""
        creation = self.model.creation
        if creation["is_x_pub"]:
            publisher = self.connect(zmq.XPUB, "publisher", lock=self.publication.out.lock)
        else:
            publisher = self.bind(zmq.XPUB, "publisher")
        publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._heartbeat_s: float = creation["heartbeat_s"]
        self._publisher = self.watch(publisher, is_shared=True)
        self.publication.actor = self
        self.publication.attach(publisher)
        self._greeted_at = float("-inf")
        self._someone_waits = False
        self._beat_at = self.inbox.deadline = monotonic() + self._heartbeat_s

    def close(self) -> None:
        """Stop callers from sending."""
        self.publication.detach()

    def on_tick(self) -> None:
        """Give a sign of life, as a heartbeat or as a greeting that was put off."""
        self._someone_waits = False
        self._greeted_at = monotonic()
        self.publication.send_sign_of_life()
        # a caller's send may have consumed the signal of a subscription meanwhile
        self._publisher.touched()
        self._beat_at = self.inbox.deadline = self._greeted_at + self._heartbeat_s

    def on_readable(self, source: SocketSource) -> None:
        """Greet new subscribers, so that they know they are subscribed; read other sockets."""
        if source is not self._publisher:
            super().on_readable(source)
            return
        if self.publication.read_subscriptions(source):
            self._someone_waits = True
        if self._someone_waits:
            if monotonic() >= self._greeted_at + GREETING_PAUSE_S:
                self._someone_waits = False
                self._greeted_at = monotonic()
                self.publication.send_sign_of_life()
            else:
                self.inbox.deadline = min(self._beat_at, self._greeted_at + GREETING_PAUSE_S)

    def on_message(self, message: Any) -> None:
        """Read subscriptions that a caller's send came upon."""
        if isinstance(message, SubscriptionWaits):
            self._publisher.touched()

    def on_begin(self) -> None:
        """Let replicas have the value, since `init_function` has returned."""
        self.publication.loaded()

    def on_drain(self) -> None:
        """Do nothing: handlers that still run may update the state."""
