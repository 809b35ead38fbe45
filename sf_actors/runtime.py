"""One run of a service: what is started in order, supervised, and stopped in reverse.

======== ============================================================================
phase    what holds
======== ============================================================================
STARTING sockets open, actors start, `init_function` runs; nothing is read yet
READY    everything runs
STOPPING nothing new is read; what was read is handled until the deadline
STOPPED  every socket is closed; `failure` says why, if it was not asked for
======== ============================================================================
"""

from __future__ import annotations

import enum
import signal
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from sf_actors.actors.assembly import Assembly
from sf_actors.actors.base import Begin
from sf_actors.actors.latch import Latch
from sf_actors.actors.router import Router
from sf_actors.actors.send import Gate, ToSend
from sf_actors.actors.states import States
from sf_actors.actors.transport import Transport
from sf_actors.actors.turn import Call, Turn
from sf_actors.actors.user_code import UserCode
from sf_actors.actors.world import World
from sf_actors.counters import Counters, summary
from sf_actors.errors import ActorDied, ServiceFailed, ServiceStopped
from sf_actors.log import get_logger
from sf_actors.stopping import Stopping
from sf_actors.user_frames import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from sf_actors.actors.base import SocketActor
    from sf_actors.definition.service_file import Definition
    from sf_actors.keys import Keys
    from sf_actors.log import LogScope
    from sf_actors.definition.models import Model

#: An actor may be restarted so often within so many seconds.
MAX_RESTARTS = 3
RESTART_WINDOW_S = 5.0

#: How long the sockets of a service may take to open, in seconds.
OPEN_TIMEOUT_S = 30.0


class Phase(enum.StrEnum):
    """How far a run has come; see the top of the file."""

    STARTING = "STARTING"
    READY = "READY"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class Once(Call):
    """A call of a function that is no handler, whose error belongs to who asked for it."""

    __slots__ = ("done", "error")
    reports: ClassVar[bool] = False

    def __init__(self, function: Callable[..., Any], *, label: str) -> None:
        super().__init__(function, None, label=label, counters=Counters())
        self.done = threading.Event()
        self.error: BaseException | None = None

    def complete(self, result: Any, error: BaseException | None) -> None:  # noqa: ARG002
        """Keep the error."""
        self.error = error
        self.done.set()

    def cancel(self) -> None:
        """Take that it will never run."""
        self.done.set()


class Run:
    """One run of a service, from its start to its end; used by `Service` alone.

    :param definition: what to run
    :param scope: where its log goes; closed at the end
    :param stop_timeout_s: how long a stop may take, in seconds
    :param least_pause_s: least time between two calls of handlers, in seconds
    :param keys: CURVE keys, or None
    :param on_bound: told the address of each bound socket
    :param on_end: called when everything is closed
    """

    def __init__(
        self,
        definition: Definition,
        scope: LogScope,
        *,
        name: str,
        stop_timeout_s: float,
        least_pause_s: float = 0.0,
        keys: Keys | None = None,
        on_bound: Callable[[Model, str, str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.definition = definition
        self.stop_timeout_s = stop_timeout_s
        self.failure: BaseException | None = None
        self.phase = Phase.STARTING
        self.started_at = monotonic()
        self.main_code = UserCode()
        self.main_ended = threading.Event()
        self.main_ended.set()
        self.main_gate = Gate()
        self.gate = Gate()
        self.ended = threading.Event()
        self._on_bound = on_bound
        self._on_end = on_end
        #: whether the run has been READY
        self.was_ready = False
        self._lock = threading.RLock()
        self._deaths: dict[str, deque[float]] = {}
        self._bound: list[tuple[str, str]] = []
        self._opening: Latch | None = None
        self.world = World(
            name=name,
            scope=scope,
            log=get_logger(),
            transport=Transport(keys),
            supervisor=self,
            states=States({}),
        )
        self.world.turn = Turn(
            offered=self._offered, on_error=self._handler_failed, least_pause_s=least_pause_s
        )
        self.assembly = Assembly(
            self.world,
            definition.models,
            definition.addresses,
            handlers=definition.handlers,
            on_status=definition.status_handlers,
        )
        self._stopping = Stopping(self)

    # starting

    def start(self) -> None:
        """Open everything, run `init_function` and begin to read; in the caller's thread.

        :raises BaseException: what kept the service from being READY, with everything closed
        """
        with self.world.scope.entered():
            try:
                self._open()
                self._run_init()
                with self._lock:
                    if self.phase is not Phase.STARTING:
                        raise self.failure or ServiceStopped(
                            f"{self.world.name}: stopped before it was ready"
                        )
                    for actor in self.world.actors.values():
                        actor.actor_ref.tell(Begin())
                    self.phase = Phase.READY
                    self.was_ready = True
                    if self.definition.main is not None:
                        self.main_ended.clear()
            except BaseException:
                if self._opening is not None:
                    self._opening.wait_for(set(self.world.actors), OPEN_TIMEOUT_S)
                self.stop()
                raise
            self._tell_ready()

    def run_main(self) -> None:
        """Run `main` until it ends, and then stop; in the caller's thread.

        What main raised stands in `failure` afterwards.
        """
        main = self.definition.main
        if main is None:
            raise ServiceFailed(f"{self.world.name}: there is no main to run")
        with self.world.scope.entered():
            to_send = ToSend(self.world, self.assembly.outlets, self.main_gate)
            _, error = self.main_code.run(
                "main", main, to_send, self.world.states, self.definition.config
            )
            self.main_ended.set()
            if error is not None and _is_failure(error):
                self.world.log.error("main failed", exc_info=trimmed(error))
                self.fail(error)
            self.stop()

    def _open(self) -> None:
        names = {"router"} | self.assembly.actor_names()
        self._opening = Latch(names)
        Router.start(self.world)
        self.assembly.open_connections()
        self.assembly.start_actors()
        late = self._opening.wait(OPEN_TIMEOUT_S)
        if late:
            raise ServiceFailed(
                f"{self.world.name}: {', '.join(sorted(late))} did not open within "
                f"{OPEN_TIMEOUT_S:g} s"
            )
        self._to_send = ToSend(self.world, self.assembly.outlets, self.gate)
        pause_s = self.assembly.ready_at() - monotonic()
        if pause_s > 0:
            # the contract's pause for subscribers to join; ended early by a stop
            self._stopping.begun.wait(pause_s)

    def _run_init(self) -> None:
        init = self.definition.init
        if init is None or self._stopping.begun.is_set():
            return
        call = Once(
            lambda _args, to_send, _pinned, config: init(to_send, self.world.states, config),
            label="init_function",
        )
        self.world.turn.run_here(call)
        if call.error is not None:
            raise trimmed(call.error)

    def _tell_ready(self) -> None:
        addresses = {name: address for name, address in self._bound}
        self.world.log.info("ready", addresses=addresses)
        if not self.world.transport.is_secured:
            beyond = [f"{name} {address}" for name, address in self._bound if _is_beyond(address)]
            if beyond:
                self.world.log.warning(
                    "bound beyond loopback without keys: anybody who can reach it can use it",
                    addresses=beyond,
                )

    # what user code gets

    _to_send: ToSend

    def _offered(self, pinned: Mapping[str, Any] | None) -> tuple[Any, ...]:
        return self._to_send, self.world.states.pinned(pinned), self.definition.config

    def _handler_failed(self, call: Call, error: BaseException) -> None:
        """Tell of what a handler raised; in the turn."""
        if not call.reports:
            return
        if isinstance(error, SystemExit):
            self.fail(error)
        self.world.log.error(
            "handler failed", handler=call.label, error=repr(error), exc_info=trimmed(error)
        )

    def stop_by_signal(self, signum: int, frame: FrameType | None) -> None:
        """Run the hook of a signal in its turn, then stop.

        The deadline of the stop runs from now on. What the hook raised makes the service fail.
        """
        sigint, sigterm = self.definition.sigint, self.definition.sigterm
        hook = sigint if signum == signal.SIGINT else sigterm
        if hook is not None and self.was_ready:
            with self.world.scope.entered():
                self._run_signal_hook(hook, signum, frame)
        self.stop()

    def _run_signal_hook(
        self, hook: Callable[..., Any], signum: int, frame: FrameType | None
    ) -> None:
        call = Once(
            lambda _args, to_send, _pinned, config: hook(
                signum, frame, to_send, self.world.states, config
            ),
            label="the signal hook",
        )
        in_time = self._stopping.with_interrupts(
            lambda timeout_s: self.world.turn.run_here(call, timeout_s=timeout_s)
        )
        if not in_time:
            self.world.log.warning("signal hook did not run: other user code did not end")
        if call.error is not None and not isinstance(call.error, ServiceStopped):
            self.world.log.error("signal hook failed", exc_info=trimmed(call.error))
            self.fail(call.error)

    # supervision; each of these may be called in any thread

    def opened(self, actor: SocketActor | Router, error: BaseException | None) -> None:
        """Take that an actor is ready, or why it cannot be."""
        with self._lock:
            if self.phase is Phase.STARTING and self._opening is not None:
                self._opening.arrive(actor.name, error)
                return
            if self.phase is not Phase.READY or isinstance(actor, Router):
                return
        if error is None:
            actor.actor_ref.tell(Begin())
        else:
            self.died(actor, error)

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Take the address that a socket is bound to."""
        self._bound.append((f"{model.name}.{socket}", address))
        self.world.log.info("bound", model=model.name, socket=socket, address=address)
        self._on_bound(model, socket, address)

    def died(self, actor: SocketActor, error: BaseException) -> None:
        """Start another actor in the place of one that died, unless it died too often."""
        if self._is_one_too_many(actor.name, error):
            return
        # with the lock held: a stop that begins now sees the new one
        with self._lock:
            if self.phase is Phase.READY:
                actor.counters.restarts += 1
                actor.counters.last_error = summary(error)
                type(actor).start(*actor.construction)

    def router_faulted(self, error: BaseException) -> None:
        """Count a fault of the router, whose thread goes on."""
        if not self._is_one_too_many("router", error):
            self.router_restarts += 1

    router_restarts = 0

    def _is_one_too_many(self, name: str, error: BaseException) -> bool:
        self.world.log.error("actor died", actor=name, exc_info=error)
        with self._lock:
            deaths = self._deaths.setdefault(name, deque(maxlen=MAX_RESTARTS + 1))
            deaths.append(monotonic())
            too_often = len(deaths) > MAX_RESTARTS and deaths[-1] - deaths[0] <= RESTART_WINDOW_S
        if too_often:
            died = ActorDied(
                f"{self.world.name}: {name} died {MAX_RESTARTS + 1} times within "
                f"{RESTART_WINDOW_S:g} s, at last of {error!r}"
            )
            died.__cause__ = error
            self.fail(died)
        return too_often

    # ending

    def fail(self, error: BaseException) -> None:
        """Stop the service because of an error; any thread, returns at once."""
        with self._lock:
            if self.failure is None and self.phase is not Phase.STOPPED:
                self.failure = error
        self._stopping.in_background()

    def stop(self) -> None:
        """Stop the service; any thread.

        Returns when it has ended, or at once in a thread that the end has to wait for.
        """
        self._stopping.run()

    def set_stopping(self) -> None:
        """Let no actor be restarted any more."""
        with self._lock:
            self.phase = Phase.STOPPING

    def finish(self) -> None:
        """Take that everything is closed."""
        with self._lock:
            self.phase = Phase.STOPPED
        self._on_end()
        self.world.scope.close()
        self.ended.set()

    def stats(self) -> dict[str, Any]:
        """Return the numbers of the run, ready for JSON."""
        turn = self.world.turn
        shown: dict[str, Any] = {
            "service": self.world.name,
            "phase": str(self.phase),
            "uptime_s": monotonic() - self.started_at,
            "router": {
                "queued": turn.queued,
                "handled": turn.handled,
                "failed": turn.failed,
                "restarts": self.router_restarts,
            },
            "connections": {"in": {}, "out": {}},
            "states": {"in": {}, "out": {}},
        }
        for (kind, side, name), counters in list(self.assembly.counters.items()):
            numbers = counters.as_dict()
            if kind == "states" and side == "in":
                numbers["status"] = self.world.states.status(name).as_dict()
            shown[kind][side][name] = numbers
        return shown


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, ServiceStopped):
        return False
    return not (isinstance(error, SystemExit) and error.code in (None, 0))


def _is_beyond(address: str) -> bool:
    """Return whether a bound address can be reached from other machines."""
    if address.startswith(("ipc://", "inproc://")):
        return False
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return not (host.startswith("127.") or host in ("::1", "localhost"))
