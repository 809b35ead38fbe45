"""The stop of a run, which keeps its deadline whatever user code does.

1. `main` and `init_function` may no longer send; the actors read nothing new. If a function takes
   `stopping`, `main` may send until half the deadline.
2. Messages that were read are handled. At half the deadline, user code that still runs gets
   `ServiceStopped`. Then tasks that coroutines have left are cancelled.
3. At the deadline the remaining requests, including one whose handler is stuck, are answered with
   an error, and every outbound call gives up.
4. Replyers read on until nobody has sent anything for a while.
5. Workers end, actors close their sockets and end, then the outbound sockets, the router and the
   authenticator. What replyers have sent has until the deadline to leave.

A thread that is stuck in a C call is left behind as a daemon, and named in the log.
"""

from __future__ import annotations

import contextlib
import threading
from time import monotonic
from typing import TYPE_CHECKING

from pykka import ActorDeadError

from sf_actors.actors.commands import Drain, LastLook
from sf_actors.errors import StopOverdue
from sf_actors.lifecycle.reserve_thread import RESERVE
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.sync.event import LightEvent
from sf_actors.sync.latch import Latch
from sf_actors.sync.locks import new_lock
from sf_actors.sync.seconds import LONGEST_S
from sf_actors.sync.shielded import shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from sf_actors.actors.socket_actor import SocketActor
    from sf_actors.connections.timers import Timers
    from sf_actors.lifecycle.run_state import RunState
    from sf_actors.user_code.worker_pool import WorkerPool

#: How long the package's own threads may take to close their sockets, in seconds.
CLOSE_TIMEOUT_S = 3.0

#: How long tasks may take to end at the deadline, if user code kept them from being cancelled
#: earlier, in seconds.
TASKS_S = 0.2

#: How long the last look into the sockets may take, in seconds.
LAST_LOOK_S = 1.0

#: The fractions of the deadline at which user code that still runs is interrupted.
INTERRUPTS = (0.5, 0.7, 0.9)


def until_deadline(
    attempt: Callable[[float], bool],
    interrupt: Callable[[], None],
    *,
    since: float,
    timeout_s: float,
) -> bool:
    """Repeat an attempt until the deadline; in between, interrupt the user code that blocks it.

    :param attempt: waits at most the given seconds; returns True on success
    :param since: when the deadline began to run, in seconds of `time.monotonic`
    """
    for part in INTERRUPTS:
        if attempt(max(0.0, since + part * timeout_s - monotonic())):
            return True
        interrupt()
    return attempt(max(0.0, since + timeout_s - monotonic()))


class Stop:
    """Stops one run, once.

    :param nudge: wakes a blocking call of user code, where possible, so that an exception can be
        raised in it
    :param on_stopped: called when everything is closed; sets the state's `ended`
    :param on_overdue: called at the very end when user code is left behind
    """

    def __init__(
        self,
        state: RunState,
        *,
        nudge: Callable[[], None],
        on_stopped: Callable[[], None],
        on_overdue: Callable[[], None],
    ) -> None:
        self._state = state
        self._nudge = nudge
        self._on_stopped = on_stopped
        self._on_overdue = on_overdue
        self._lock = new_lock()
        self._is_taken = False
        self._since = 0.0

    @property
    def _pools(self) -> Sequence[WorkerPool]:
        # the start may be adding some
        return tuple(self._state.run_context.pools.values())

    def begin(self) -> None:
        """Let the deadline run from now on, and withdraw permits to send."""
        # the lock of the state: the supervisor holds it when a death makes the run fail
        with self._state.lock:
            if not self._state.stop_begun.is_set():
                self._since = monotonic()
                self._state.run_context.stop_deadline = self._since + self._state.stop_timeout_s
                self._state.begin_stop()
                self._state.run_context.handler_lock.hurry()
                if RESIDENTS.on_stopping is not None:
                    RESIDENTS.on_stopping()

    def in_background(self) -> None:
        """Stop in another thread; returns at once."""
        if self._take():
            self._state.run_for_stop(self._run, name="stop")

    def run(self) -> None:
        """Stop, or wait for the stop that runs; return at once in a thread that the stop waits for.

        Any thread.
        """
        if self._is_waited_for():
            self.in_background()
        elif not shielded(self._run_first, lend=RESERVE.lend):
            self._state.ended.wait(self._state.stop_timeout_s + 2 * CLOSE_TIMEOUT_S)

    def _run_first(self) -> bool:
        """Stop, unless another thread does; return True if it was done here."""
        is_first = self._take()
        if is_first:
            self._run()
        return is_first

    def with_interrupts(self, attempt: Callable[[float], bool]) -> bool:
        """Repeat an attempt until the deadline; in between, interrupt the user code that blocks it.

        :param attempt: waits at most the given seconds; returns True on success
        """
        self.begin()
        return until_deadline(
            attempt, self._interrupt, since=self._since, timeout_s=self._state.stop_timeout_s
        )

    def _take(self) -> bool:
        self.begin()
        with self._lock:
            taken, self._is_taken = self._is_taken, True
        return not taken

    def _is_waited_for(self) -> bool:
        """Return True if the stop waits for the calling thread."""
        state, here = self._state, threading.current_thread()
        if state.event_loop.runs_here() or any(pool.runs_here() for pool in self._pools):
            return True
        if state.main_code.runs_here() or state.run_context.handler_lock.user_code.runs_here():
            return True
        actors = [*state.actors.values(), state.router, state.timers]
        return any(actor is not None and actor.thread is here for actor in actors)

    def _interrupt(self) -> None:
        """Raise `ServiceStopped` in user code, and end its waits for replies."""
        self._state.main_permit.is_withdrawn = True
        self._state.run_context.closing.set()
        self._state.run_context.handler_lock.user_code.interrupt()
        for pool in self._pools:
            pool.interrupt()
        if not self._state.main_ended.is_set():
            self._state.main_code.interrupt()
        self._state.event_loop.interrupt()
        self._nudge()

    def _run(self) -> None:
        state = self._state
        overdue: list[str] = []
        with state.run_context.scope.entered():
            try:
                overdue = self._drain()
                self._blame(overdue, self._close())
            except BaseException as error:
                state.run_context.log.exception("stop failed")
                state.blame(error)
            if state.was_ready:
                # what kept it from READY is raised, and is all that there is to say
                state.run_context.log.info("stopped")
        self._on_stopped()
        if overdue:
            self._on_overdue()

    def _blame(self, overdue: list[str], left_behind: list[str]) -> None:
        """Log the names of user code and threads that did not end, and fail the run."""
        state = self._state
        if overdue or left_behind:
            names = ", ".join(dict.fromkeys([*overdue, *left_behind]))
            state.run_context.log.warning("stop overdue", left_behind=names)
            state.blame(
                StopOverdue(
                    f"{state.run_context.name}: still running {state.stop_timeout_s:g} s after the "
                    f"stop began, left behind: {names}"
                )
            )

    def _drain(self) -> list[str]:
        """Wait until all messages that were read are handled, or for the deadline.

        :returns: the user code that still runs at the deadline
        """
        state = self._state
        run_context = state.run_context
        steps = self._steps()
        waited = next(steps, None)

        def is_drained(timeout_s: float) -> bool:
            nonlocal waited
            until = monotonic() + timeout_s
            while waited is not None:
                if not waited(max(0.0, until - monotonic())):
                    return False
                waited = next(steps, None)
            return True

        overdue: list[str] = []
        is_in_time = self.with_interrupts(is_drained)
        for pool in self._pools:
            # before listing what runs, so that no worker begins another call
            pool.cancel_queued()
        if not is_in_time:
            running = [state.main_code.label, run_context.handler_lock.user_code.label]
            overdue = [label for label in running if label is not None]
            overdue += [label for pool in self._pools for label in pool.running]
            if not state.event_loop.end(TASKS_S):
                overdue += state.event_loop.running
        state.set_stopping()
        state.permit.is_withdrawn = True
        if state.router is not None:
            state.router.cancel_queued()
        if overdue:
            self._leave_handler_behind()
            for pool in self._pools:
                pool.leave_behind()
        readers = [a for a in state.actors.values() if a.model.side == "in" and a.is_open]
        _sent_to_all(readers, LastLook)(LAST_LOOK_S)
        return overdue

    def _leave_handler_behind(self) -> None:
        """Answer the message whose handler is stuck, and finish the actor of its thread."""
        state = self._state
        thread_id = state.run_context.handler_lock.leave_behind()
        if thread_id is None:
            return
        for actor in state.actors.values():
            if actor.thread is not None and actor.thread.ident == thread_id:
                actor.take_over()

    def _steps(self) -> Iterator[Callable[[float], bool]]:
        """Yield the waits of the drain in order; each takes a timeout and returns whether it ended.

        A step begins when the one before is over.
        """
        state = self._state
        run_context = state.run_context
        # a socket that is still being opened cannot be closed
        yield state.has_opened.wait
        # main may end before the signal hook has begun
        yield state.hook_ended.wait
        state.set_stopping()
        yield _sent_to_all(state.callers, Drain)
        if state.router is not None:
            passed = LightEvent()
            state.router.call_after_queued(passed.set)
            yield passed.wait
        for pool in self._pools:
            yield pool.wait_until_idle
        # user code that did not come through the router: init_function, a signal hook
        yield run_context.handler_lock.wait_until_free
        yield state.main_ended.wait
        # cancels tasks that coroutines have left
        yield state.event_loop.end

    def _stuck_threads(self) -> set[int | None]:
        """Return the ids of the threads that cannot end, since user code does not."""
        run_context = self._state.run_context
        holder = run_context.handler_lock.user_code.thread_id
        if holder is None:
            return set()
        stuck: set[int | None] = {holder}
        router = self._state.router
        if router is not None and router.thread is not None:
            # it may wait for the handler lock
            stuck.add(router.thread.ident)
        return stuck

    def _close(self) -> list[str]:
        """End the actors and close every socket.

        :returns: the names of the threads that did not end
        """
        state = self._state
        run_context = state.run_context
        # replyers end when their replies have left, for which there is time until the stop is due
        now = monotonic()
        left_s = max(0.0, run_context.stop_deadline - now)
        deadline = now + min(left_s + CLOSE_TIMEOUT_S, LONGEST_S)
        stuck = self._stuck_threads()
        run_context.closing.set()
        left_behind: list[str] = []
        for pool in self._pools:
            left_behind += pool.end(deadline)
        for side in ("in", "out"):
            actors = [actor for actor in state.actors.values() if actor.model.side == side]
            left_behind += _end(actors, deadline, stuck)
        for name, outbound in state.assembly.connections.items():
            if not outbound.close(max(0.0, deadline - monotonic())):
                left_behind.append(f"a caller of {name!r}")
        for actor in (state.timers, state.router, state.authenticator):
            if actor is not None:
                left_behind += _end([actor], deadline, stuck)
        run_context.transport.shut(run_context.closing.close)
        left_s = self._since + state.stop_timeout_s - monotonic()
        state.assembly.close_stores(max(CLOSE_TIMEOUT_S, left_s))
        return left_behind


def _sent_to_all(
    actors: Sequence[SocketActor | Timers], message: type[Drain | LastLook]
) -> Callable[[float], bool]:
    """Send actors a message.

    :returns: a wait until all have acted on it
    """
    latch = Latch({actor.name for actor in actors})
    for actor in actors:
        if not actor.tell(message(latch)):
            latch.arrive(actor.name)
    return lambda timeout_s: not latch.wait(timeout_s)


def _end(actors: Sequence[Any], deadline: float, stuck: set[int | None]) -> list[str]:
    """Stop actors and wait until their threads have ended, except for stuck ones.

    :returns: the names of those that have still not ended
    """
    for actor in actors:
        with contextlib.suppress(ActorDeadError):
            actor.stop()
    left_behind = []
    for actor in actors:
        thread = actor.thread
        if thread is None or thread is threading.current_thread() or thread.ident in stuck:
            continue
        thread.join(max(0.0, deadline - monotonic()))
        if thread.is_alive():
            left_behind.append(actor.name)
    return left_behind
