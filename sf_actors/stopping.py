"""The end of a run, within its deadline whatever user code does.

1. `main` may send no more; the actors read nothing new.
2. What was read is handled. At half the deadline user code that still runs gets `ServiceStopped`.
3. At the deadline the rest is answered with an error, and every outbound call gives up.
4. Actors close their sockets and end, then the outbound sockets, then the router.

What is stuck in a C call is left behind as a daemon thread and named.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from pykka import ActorDeadError, ActorRef
from pykka._envelope import Envelope

from sf_actors.actors.base import Drain
from sf_actors.actors.latch import Latch
from sf_actors.actors.router import Fence
from sf_actors.errors import StopOverdue

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sf_actors.runtime import Run

#: How long the package's own threads may take to close their sockets, in seconds.
CLOSE_TIMEOUT_S = 3.0

#: At which parts of the deadline user code that still runs is interrupted.
INTERRUPTS = (0.5, 0.7, 0.9)


class Stopping:
    """Stops one run, once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._is_taken = False
        self._since = 0.0
        #: set when the stop has begun
        self.begun = threading.Event()

    def begin(self) -> None:
        """Let the deadline run from now on; main may send no more."""
        with self._lock:
            if not self.begun.is_set():
                self._since = monotonic()
                self._run.main_gate.is_closed = True
                self._run.world.turn.hurry()
                self.begun.set()

    def in_background(self) -> None:
        """Stop in a thread of its own; returns at once."""
        if self._take():
            self._start_thread()

    def run(self) -> None:
        """Stop, or wait for the stop that runs; returns at once where that would wait for itself.

        Any thread.
        """
        if self._is_waited_for():
            self.in_background()
        elif self._take():
            self._stop()
        else:
            self._run.ended.wait(self._run.stop_timeout_s + 2 * CLOSE_TIMEOUT_S)

    def with_interrupts(self, attempt: Callable[[float], bool]) -> bool:
        """Try until the deadline; in between interrupt the user code that keeps it from happening.

        :param attempt: waits so many seconds at most; whether it happened
        """
        self.begin()
        run = self._run
        for part in (*INTERRUPTS, 1.0):
            until = self._since + part * run.stop_timeout_s
            if attempt(max(0.0, until - monotonic())):
                return True
            if part < 1.0:
                self._interrupt()
        return False

    def _take(self) -> bool:
        self.begin()
        with self._lock:
            taken, self._is_taken = self._is_taken, True
        return not taken

    def _start_thread(self) -> None:
        threading.Thread(target=self._stop, name=f"{self._run.world.name}/stop", daemon=True).start()

    def _is_waited_for(self) -> bool:
        """Return whether the end of the run waits for the calling thread."""
        run, here = self._run, threading.current_thread()
        if run.main_code.runs_here() or run.world.turn.user_code.runs_here():
            return True
        actors = [*run.world.actors.values(), getattr(run.world, "router", None)]
        return any(actor is not None and actor.thread is here for actor in actors)

    def _interrupt(self) -> None:
        """Raise `ServiceStopped` in user code, and in what waits for a reply."""
        world = self._run.world
        world.closing.set()
        if world.closing_wakeup is not None:
            world.closing_wakeup.set()
        world.turn.user_code.interrupt()
        if not self._run.main_ended.is_set():
            self._run.main_code.interrupt()

    def _stop(self) -> None:
        run = self._run
        with run.world.scope.entered():
            overdue = self._drain()
            left_behind = self._close()
            if overdue or left_behind:
                names = ", ".join(dict.fromkeys([*overdue, *left_behind]))
                error = StopOverdue(
                    f"{run.world.name}: still running {run.stop_timeout_s:g} s after the stop "
                    f"began, left behind: {names}"
                )
                run.world.log.warning("stop overdue", left_behind=names)
                if run.failure is None:
                    run.failure = error
            run.world.log.info("stopped")
        run.finish()

    def _drain(self) -> list[str]:
        """Let what was read be handled.

        :returns: the user code that still runs at the deadline
        """
        run = self._run
        world = run.world
        run.set_stopping()
        readers = [actor for actor in world.actors.values() if actor.model.side == "in"]
        latch = Latch({actor.name for actor in readers})
        for actor in readers:
            if not _tell(actor, Drain(latch)):
                latch.arrive(actor.name)
        passed = threading.Event()
        is_fenced = False

        def is_drained(timeout_s: float) -> bool:
            nonlocal is_fenced
            until = monotonic() + timeout_s
            if latch.wait(timeout_s):
                return False
            if not is_fenced:
                is_fenced = True
                if hasattr(world, "router"):
                    world.router.queue.put(Envelope(Fence(passed.set)))
                else:
                    passed.set()
            if not passed.wait(max(0.0, until - monotonic())):
                return False
            return run.main_ended.wait(max(0.0, until - monotonic()))

        overdue: list[str] = []
        if not self.with_interrupts(is_drained):
            running = [run.main_code.label, world.turn.user_code.label]
            overdue = [label for label in running if label is not None]
        run.gate.is_closed = True
        if hasattr(world, "router"):
            world.router.cancel_queued()
        return overdue

    def _close(self) -> list[str]:
        """End the actors and close every socket.

        :returns: the names of the threads that did not end
        """
        run = self._run
        world = run.world
        deadline = monotonic() + CLOSE_TIMEOUT_S
        world.closing.set()
        if world.closing_wakeup is not None:
            world.closing_wakeup.set()
        left_behind: list[str] = []
        for side in ("in", "out"):
            actors = [actor for actor in world.actors.values() if actor.model.side == side]
            left_behind += _end(actors, deadline)
        for outlet in run.assembly.connections.values():
            outlet.close(max(0.0, deadline - monotonic()))
        if hasattr(world, "router"):
            left_behind += _end([world.router], deadline)
        all_closed = world.transport.open_sockets == 0
        world.transport.shut(all_closed=all_closed)
        if world.closing_wakeup is not None and all_closed:
            world.closing_wakeup.close()
        return left_behind


def _tell(actor: Any, message: object) -> bool:
    try:
        actor.actor_ref.tell(message)
    except ActorDeadError:
        return False
    return True


def _end(actors: list[Any], deadline: float) -> list[str]:
    """Stop actors and wait until their threads have ended."""
    for actor in actors:
        ref: ActorRef[Any] = actor.actor_ref
        ref.stop(block=False)
    left_behind = []
    for actor in actors:
        thread = actor.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                left_behind.append(actor.name)
    return left_behind
