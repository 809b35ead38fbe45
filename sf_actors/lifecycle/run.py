"""One run of a service: its parts are started in order, supervised, and stopped in reverse."""

from __future__ import annotations

import signal
import threading
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from sf_actors.actors.run_context import RunContext
from sf_actors.actors.tracing import tracing_of
from sf_actors.connections.publisher import Publisher
from sf_actors.connections.requester import Requester
from sf_actors.counters import summary
from sf_actors.definition.addresses import resolve
from sf_actors.errors import Refused, ServiceFailed, ServiceStopped, SfActorsError, UsageError
from sf_actors.lifecycle.assembly import Assembly
from sf_actors.lifecycle.reserve_thread import RESERVE
from sf_actors.lifecycle.run_state import RunPhase, RunState
from sf_actors.lifecycle.signal_hook import SignalHook
from sf_actors.lifecycle.signals import ENDING_S
from sf_actors.lifecycle.start import Start
from sf_actors.lifecycle.stop import Stop
from sf_actors.lifecycle.supervision import Supervision
from sf_actors.log import package_logger
from sf_actors.log.throttle import Throttle
from sf_actors.sockets.transport import Transport
from sf_actors.user_code.handler_lock import HandlerLock
from sf_actors.user_code.interruptible import UserCode
from sf_actors.user_code.quiet_end import QUIET_END
from sf_actors.user_code.states_view import States
from sf_actors.user_code.tracebacks import trimmed
from sf_actors.wording import nearest, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from sf_actors.definition.models import Model
    from sf_actors.definition.service_file import Definition
    from sf_actors.log import LogScope
    from sf_actors.sockets.error_details import ErrorDetails
    from sf_actors.sockets.keys import Keys
    from sf_actors.sync.event import LightEvent
    from sf_actors.user_code.call import Call
    from sf_actors.user_code.call_contexts import CallContexts
    from sf_actors.user_code.event_loop import EventLoop


class Run:
    """One run of a service, from its start to its end; used only by `Service`.

    :param definition: the definition of the service to run
    :param scope: the scope of its log; closed at the end
    :param stop_timeout_s: how long a stop may take, in seconds
    :param contexts: the contexts of user code; the service file has already run in one
    :param event_loop: runs the coroutine functions of user code
    :param least_pause_s: least time between two calls of handlers, in seconds
    :param keys: CURVE keys, or None
    :param error_details: how much of a handler's error callers get; None: see `sends_texts`
    :param ended: set when everything is closed
    :param on_bound: called with the address of each bound socket
    :param on_end: called when everything is closed
    :param on_overdue: called at the very end when user code is left behind
    :param nudge: wakes a blocking call of user code, where possible, so that an exception can be
        raised in it
    :ivar state: the phase and the parts of the run
    """

    def __init__(
        self,
        definition: Definition,
        scope: LogScope,
        *,
        name: str,
        stop_timeout_s: float,
        contexts: CallContexts,
        event_loop: EventLoop,
        least_pause_s: float = 0.0,
        keys: Keys | None = None,
        error_details: ErrorDetails | None = None,
        ended: LightEvent,
        on_bound: Callable[[Model, str, str], None],
        on_end: Callable[[], None],
        on_overdue: Callable[[], None],
        nudge: Callable[[], None],
    ) -> None:
        QUIET_END.stand_by()
        self._has_main_begun = False
        self._on_end = on_end
        #: a handler that fails now and then is logged each time, but one that a peer makes fail
        #: again and again must not fill the disk
        self._handler_errors = Throttle(1.0, burst=10)
        supervision = Supervision(fail=self.fail, on_opened=self._note_opened, on_bound=on_bound)
        self._supervision = supervision
        run_context = RunContext(
            name=name,
            scope=scope,
            log=package_logger(),
            transport=Transport(keys, name=name),
            supervisor=supervision,
            states=States({}),
            interrupt_guard=event_loop.interrupt_guard,
            error_details=error_details,
            tracing=tracing_of(name),
        )
        self.state = RunState(
            definition=definition,
            run_context=run_context,
            assembly=Assembly(
                run_context,
                definition.models,
                definition.addresses,
                handlers=definition.handlers,
                on_status=definition.status_handlers,
            ),
            main_code=UserCode(run_context.interrupt_guard),
            contexts=contexts,
            event_loop=event_loop,
            stop_timeout_s=stop_timeout_s,
            ended=ended,
        )
        run_context.handler_lock = HandlerLock(
            offered=self.state.offered,
            on_error=self._handler_failed,
            least_pause_s=least_pause_s,
            contexts=contexts,
            interrupt_guard=run_context.interrupt_guard,
        )
        event_loop.on_exit(self._fail_by_loop)
        supervision.supervise(self.state)
        self._starting = Start(self.state)
        self._stopping = Stop(
            self.state, nudge=nudge, on_stopped=self._finish, on_overdue=on_overdue
        )

    # starting

    def start(self) -> None:
        """Open everything, run `init_function` and begin reading; in the caller's thread.

        :raises BaseException: what kept the service from being READY; everything is closed again
        """
        try:
            self._starting.run()
        except BaseException:
            self.give_up()
            raise

    def start_main(self) -> None:
        """Run `main` in a thread of its own; returns at once."""
        self._has_main_begun = True
        try:
            self.state.start_thread(self.run_main, name="main")
        except RuntimeError:
            # the system has no thread left
            self.state.main_ended.set()
            self.stop()
            raise

    def give_up(self) -> None:
        """Stop a run whose start failed at any point; in the thread that started it.

        Steps that have not begun never will, so the stop must not wait for them.
        """
        self.state.has_opened.set()
        if not self._has_main_begun:
            self.state.main_ended.set()
        self.stop()

    def run_main(self) -> None:
        """Run `main` until it ends, then stop; in the caller's thread.

        An exception of main is in `failure` afterwards.
        """
        state = self.state
        run_context, main = state.run_context, state.definition.main
        if main is None:
            raise ServiceFailed(f"{run_context.name}: there is no main to run")
        with run_context.scope.entered():
            to_send = state.to_send_with(state.main_permit)
            error: BaseException | None = None
            context = state.contexts.new()
            if not state.stop_begun.is_set():
                offered = (to_send, run_context.states, state.definition.config)
                state.main_code.began = perf_counter()
                _, error = context.run(state.main_code.run, "main", main, offered)
            if error is not None and _is_failure(error):
                if not isinstance(error, SystemExit):
                    # in its context, which has the variables that it bound
                    context.run(
                        run_context.log.error,
                        "main failed",
                        exc_info=trimmed(error),
                        **_workflow_of(error),
                    )
                state.blame(error)
            state.main_ended.set()
            self.stop()

    def _note_opened(self, name: str, error: BaseException | None) -> None:
        self._starting.arrive(name, error)

    def connect(self, kind: str, side: str, name: str, addresses: object) -> None:
        """Change the addresses of a model that connects; any thread.

        :raises UsageError: there is no such model, or it does not connect, or nothing runs
        :raises AddressError: an address is wrong
        """
        state = self.state
        key = (kind, side, name)
        models = {model.key: model for model in state.definition.models}
        if key not in models:
            same = [other for *place, other in models if place == [kind, side]]
            raise UsageError(
                f"connect: no model is named {name!r} in {kind!r}, {side!r}{nearest(name, same)}"
            )
        model = models[key]
        if not model.sockets or any(model.binds.values()):
            raise UsageError(f"connect: {model.where} does not connect: it binds, or has no socket")
        endpoints = resolve({kind: {side: {name: addresses}}}, [model], where="connect")[key]
        if state.phase is not RunPhase.READY:
            raise ServiceStopped(f"{state.run_context.name} does not run")
        # the kind is checked too, since an out-state may have the name of a connection
        outbound = (
            state.assembly.connections.get(name) if key[:2] == ("connections", "out") else None
        )
        if isinstance(outbound, (Requester, Publisher)):
            outbound.connect(endpoints[model.sockets[0]])
        else:
            with state.lock:
                slot = state.run_context.states.slot(name)
                if slot is not None and key[:2] == ("states", "in"):
                    # at once: who asks after this call must not get the value of the old address
                    slot.leave()
                self._supervision.move(f"{kind}/{side}/{name}", endpoints)

    # user code

    def _handler_failed(self, call: Call, error: BaseException) -> None:
        """Log a handler's exception, at a limited rate; an exit fails the run. Under the lock."""
        if not call.reports:
            return
        if isinstance(error, SystemExit):
            self.fail(self.state.exit_outside_main(call.label, error))
        is_refusal = isinstance(error, Refused)
        left_out = self._handler_errors.admit((call.label, is_refusal), monotonic())
        if left_out is not None and is_refusal:
            self.state.run_context.log.info(
                "handler refused", handler=call.label, reason=text_of(error), left_out=left_out
            )
        elif left_out is not None:
            self.state.run_context.log.error(
                "handler failed",
                handler=call.label,
                error=summary(error),
                left_out=left_out,
                exc_info=trimmed(error),
            )

    def _fail_by_loop(self, label: str, error: BaseException) -> None:
        """Fail since a task called `sys.exit` or the event loop died; in the loop's thread."""
        if isinstance(error, SystemExit):
            error = self.state.exit_outside_main(label, error)
        self.fail(error)

    # ending

    def stop_by_signal(self, signum: int, frame: FrameType | None) -> None:
        """Run the hook of a signal under the handler lock, then stop.

        The deadline of the stop runs from now on. An exception of the hook makes the service fail.
        """
        state = self.state
        sigint, sigterm = state.definition.sigint, state.definition.sigterm
        hook = sigint if signum == signal.SIGINT else sigterm
        self._stopping.begin()
        try:
            if hook is not None and state.was_ready:
                with state.run_context.scope.entered():
                    SignalHook(state, hook, with_interrupts=self._stopping.with_interrupts).run(
                        signum, frame
                    )
        finally:
            self.stop()

    def fail(self, error: BaseException) -> None:
        """Stop the service because of an error; any thread, returns at once."""
        self.state.blame(error)
        self._stopping.in_background()

    def begin_stop(self) -> None:
        """Let the deadline of a stop run from now on; any thread, returns at once."""
        self._stopping.begin()

    def stop(self) -> None:
        """Stop the service; any thread.

        Returns when it has ended, or at once in a thread that the stop has to wait for.
        """
        self._stopping.run()
        self.join()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the end; any thread."""
        if not self.state.ended.wait(timeout_s):
            return False
        self.join()
        return True

    def join(self) -> None:
        """Wait until the threads of an ended run are gone; not if user code was left behind."""
        state = self.state
        is_left_behind = state.main_code.label or state.run_context.handler_lock.user_code.label
        if state.ended.is_set() and not is_left_behind:
            for thread in state.threads:
                if thread.ident is not None and thread is not threading.current_thread():
                    thread.join(ENDING_S)

    def _finish(self) -> None:
        """End the run, now that everything is closed."""
        self.state.set_stopped()
        try:
            self._on_end()
            self.state.run_context.scope.close()
        finally:
            reserve = RESERVE.need_no_more(self.state)
            if reserve is not None:
                self.state.threads.append(reserve)
            self.state.ended.set()


def _workflow_of(error: BaseException) -> dict[str, object]:
    """Return the workflow id of a failed `to_send`, which leads to the lines of called services."""
    workflow_id = error.workflow_id if isinstance(error, SfActorsError) else None
    return {} if workflow_id is None else {"workflow_id": workflow_id}


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, ServiceStopped):
        return False
    return not (isinstance(error, SystemExit) and error.code in (None, 0))
