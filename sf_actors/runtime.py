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
from typing import TYPE_CHECKING, Any

from sf_actors.actors.assembly import Assembly
from sf_actors.actors.base import Begin
from sf_actors.actors.flag import Flag
from sf_actors.actors.router import Router
from sf_actors.actors.send import Gate, ToSend
from sf_actors.actors.states import States
from sf_actors.actors.transport import Transport
from sf_actors.actors.turn import Call, Turn
from sf_actors.actors.user_code import UserCode
from sf_actors.actors.world import World
from sf_actors.counters import summary
from sf_actors.errors import ActorDied, ServiceFailed, ServiceStopped
from sf_actors.log import package_logger
from sf_actors.log.throttle import Throttle
from sf_actors.peers import Listener
from sf_actors.signal_hook import SignalHook
from sf_actors.signals import ENDING_S
from sf_actors.starting import Starting
from sf_actors.stopping import Stopping
from sf_actors.user_frames import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from sf_actors.actors.authenticator import Authenticator
    from sf_actors.actors.base import SocketActor
    from sf_actors.actors.error_details import ErrorDetails
    from sf_actors.definition.models import Model
    from sf_actors.definition.service_file import Definition, Key
    from sf_actors.keys import Keys
    from sf_actors.log import LogScope

#: An actor may be restarted so often within so many seconds.
MAX_RESTARTS = 3
RESTART_WINDOW_S = 5.0


class Phase(enum.StrEnum):
    """How far a run has come; see the top of the file."""

    STARTING = "STARTING"
    READY = "READY"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class Run:
    """One run of a service, from its start to its end; used by `Service` alone.

    :param definition: what to run
    :param scope: where its log goes; closed at the end
    :param stop_timeout_s: how long a stop may take, in seconds
    :param least_pause_s: least time between two calls of handlers, in seconds
    :param keys: CURVE keys, or None
    :param error_details: what callers are told of a handler's error; None: see `tells_texts`
    :param ended: set when everything is closed
    :param on_bound: told the address of each bound socket
    :param on_end: called when everything is closed
    :param on_overdue: called at the very end when user code is left behind
    :param nudge: makes a blocking call of user code look for what is raised in its thread, as far
        as that can be done
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
        error_details: ErrorDetails | None = None,
        ended: Flag,
        on_bound: Callable[[Model, str, str], None],
        on_end: Callable[[], None],
        on_overdue: Callable[[], None],
        nudge: Callable[[], None],
    ) -> None:
        self.definition = definition
        self.stop_timeout_s = stop_timeout_s
        self.failure: BaseException | None = None
        self.phase = Phase.STARTING
        self.started_at = monotonic()
        self.ended_at: float | None = None
        self.main_ended = Flag(is_set=True)
        #: cleared while the hook of a signal runs, which comes before the stop
        self.hook_ended = Flag(is_set=True)
        self.main_gate = Gate()
        self.gate = Gate()
        self.ended = ended
        #: set when nothing more is being opened
        self.has_opened = Flag()
        self.on_overdue = on_overdue
        self.nudge = nudge
        self._on_bound = on_bound
        self._on_end = on_end
        self._threads: list[threading.Thread] = []
        #: whether the run has been READY
        self.was_ready = False
        self._lock = threading.RLock()
        self._deaths: dict[str, deque[float]] = {}
        #: a handler that fails now and then is told each time, one that a peer makes fail again and
        #: again fills no disk
        self._handler_errors = Throttle(1.0, burst=10)
        #: model and socket, the address that it took and who listens there, in the order of binding
        self.bound_to: list[tuple[str, str, Listener]] = []
        #: where each model is bound that is, for the number of its peers
        self.listeners: dict[Key, Listener] = {}
        self.world = World(
            name=name,
            scope=scope,
            log=package_logger(),
            transport=Transport(keys),
            supervisor=self,
            states=States({}),
            error_details=error_details,
        )
        self.world.turn = Turn(
            offered=self.offered,
            on_error=self._handler_failed,
            least_pause_s=least_pause_s,
            shield=self.world.shield,
        )
        self.main_code = UserCode(self.world.shield)
        self.assembly = Assembly(
            self.world,
            definition.models,
            definition.addresses,
            handlers=definition.handlers,
            on_status=definition.status_handlers,
        )
        self._starting = Starting(self)
        self.stopping = Stopping(self)

    # starting

    def start(self) -> None:
        """Open everything, run `init_function` and begin to read; in the caller's thread.

        :raises BaseException: what kept the service from being READY, with everything closed
        """
        self._starting.run()

    def set_ready(self) -> None:
        """Let actors read, unless the stop has begun.

        :raises ServiceStopped: it has
        """
        with self._lock:
            if self.stopping.begun.is_set():
                raise self.failure or ServiceStopped(
                    f"{self.world.name}: stopped before it was ready"
                )
            for actor in self.world.actors.values():
                actor.tell(Begin())
            self.phase = Phase.READY
            self.was_ready = True
            if self.definition.main is not None:
                self.main_ended.clear()

    def start_main(self) -> None:
        """Run `main` in a thread of its own; returns at once."""
        try:
            self.start_thread(self.run_main, name="main")
        except RuntimeError:
            # the system has no thread left
            self.main_ended.set()
            self.stop()
            raise

    def run_main(self) -> None:
        """Run `main` until it ends, and then stop; in the caller's thread.

        What main raised stands in `failure` afterwards.
        """
        main = self.definition.main
        if main is None:
            raise ServiceFailed(f"{self.world.name}: there is no main to run")
        with self.world.scope.entered():
            to_send = ToSend(self.world, self.assembly.outlets, self.main_gate).__call__
            error: BaseException | None = None
            if not self.stopping.begun.is_set():
                offered = (to_send, self.world.states, self.definition.config)
                _, error = self.main_code.run("main", main, offered)
            if error is not None and _is_failure(error):
                self.world.log.error("main failed", exc_info=trimmed(error))
                self.blame(error)
            self.main_ended.set()
            self.stop()

    # what user code gets

    to_send: Callable[..., Any]

    def offered(self, pinned: Mapping[str, Any] | None) -> tuple[Any, ...]:
        """Return what a handler may get besides its args; any thread."""
        return self.to_send, self.world.states.pinned(pinned), self.definition.config

    def _handler_failed(self, call: Call, error: BaseException) -> None:
        """Tell of what a handler raised, unless that happens all the time; in the turn."""
        if not call.reports:
            return
        if isinstance(error, SystemExit):
            self.fail(self.exit_outside_main(call, error))
        left_out = self._handler_errors.admit(call.label, monotonic())
        if left_out is not None:
            self.world.log.error(
                "handler failed",
                handler=call.label,
                error=summary(error),
                left_out=left_out,
                exc_info=trimmed(error),
            )

    def stop_by_signal(self, signum: int, frame: FrameType | None) -> None:
        """Run the hook of a signal in its turn, then stop.

        The deadline of the stop runs from now on. What the hook raised makes the service fail.
        """
        sigint, sigterm = self.definition.sigint, self.definition.sigterm
        hook = sigint if signum == signal.SIGINT else sigterm
        if hook is not None and self.was_ready:
            with self.world.scope.entered():
                SignalHook(self, hook).run(signum, frame)
        self.stop()

    def exit_outside_main(self, call: Call, error: SystemExit) -> ServiceFailed:
        """Return the failure of a service whose user code may not end it and tried to."""
        failed = ServiceFailed(
            f"{self.world.name}: {call.label} called sys.exit({error.code!r}), which only main may"
        )
        failed.__cause__ = error
        return failed

    # supervision; each of these may be called in any thread

    def opened(
        self, actor: SocketActor | Router | Authenticator, error: BaseException | None
    ) -> None:
        """Take that an actor is ready, or why it cannot be."""
        with self._lock:
            if not self.was_ready:
                self._starting.arrive(actor.name, error)
                return
            if self.phase is not Phase.READY or isinstance(actor, Router):
                return
        if error is None:
            actor.actor_ref.tell(Begin())
        else:
            self.died(actor, error)

    def bound(self, model: Model, socket: str, address: str) -> None:
        """Take the address that a socket is bound to."""
        listener = Listener.at(address)
        self.bound_to.append((f"{model.name}.{socket}", address, listener))
        if socket == model.sockets[0]:
            self.listeners[model.key] = listener
        self.world.log.info("bound", model=model.name, socket=socket, address=address)
        self._on_bound(model, socket, address)

    def died(self, actor: SocketActor | Authenticator, error: BaseException) -> None:
        """Start another actor in the place of one that died, unless it died too often."""
        if self._is_one_too_many(actor.name, error):
            return
        # with the lock held: a stop that begins now sees the new one
        with self._lock:
            if self.phase in (Phase.STARTING, Phase.READY):
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
                f"{RESTART_WINDOW_S:g} s, at last of {summary(error)}"
            )
            died.__cause__ = error
            self.fail(died)
        return too_often

    # ending

    def fail(self, error: BaseException) -> None:
        """Stop the service because of an error; any thread, returns at once."""
        self.blame(error)
        self.stopping.in_background()

    def blame(self, error: BaseException) -> None:
        """Let this be the failure, unless something else was first."""
        with self._lock:
            if self.failure is None and self.phase is not Phase.STOPPED:
                self.failure = error

    def stop(self) -> None:
        """Stop the service; any thread.

        Returns when it has ended, or at once in a thread that the end has to wait for.
        """
        self.stopping.run()
        self.join()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the end; any thread."""
        if not self.ended.wait(timeout_s):
            return False
        self.join()
        return True

    def start_thread(self, function: Callable[..., None], *arguments: Any, name: str) -> None:
        """Run a function of the package in a thread that ends with the run; any thread."""
        thread = threading.Thread(
            target=function, args=arguments, name=f"{self.world.name}/{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def begin_stop(self) -> None:
        """Let the deadline of a stop run from now on; any thread, returns at once."""
        self.stopping.begin()

    def join(self) -> None:
        """Wait until the threads of an ended run are gone, but for user code left behind."""
        is_left_behind = self.main_code.label or self.world.turn.user_code.label
        if self.ended.is_set() and not is_left_behind:
            for thread in self._threads:
                if thread.ident is not None and thread is not threading.current_thread():
                    thread.join(ENDING_S)

    def close_gates(self) -> None:
        """Let user code that is to end send no more; nothing becomes READY from now on."""
        with self._lock:
            self.main_gate.is_closed = True
            if not self.was_ready:
                # nothing was read that may have to be answered: only init_function could send
                self.gate.is_closed = True
            self.stopping.begun.set()

    def set_stopping(self) -> None:
        """Let no actor be restarted any more."""
        with self._lock:
            self.phase = Phase.STOPPING

    def finish(self) -> None:
        """Take that everything is closed."""
        with self._lock:
            self.ended_at = monotonic()
            self.phase = Phase.STOPPED
        try:
            self._on_end()
            self.world.scope.close()
        finally:
            self.ended.set()


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, ServiceStopped):
        return False
    return not (isinstance(error, SystemExit) and error.code in (None, 0))
