"""One run of an instance in its actor, for the supervisor."""

from __future__ import annotations

import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import ActorUnavailableError, RayError

from sf_actors.fleet.ray.actor_registry import answered, end

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.fleet.ray.actor_registry import ActorRegistry
    from sf_actors.fleet.task import Task

#: Between two attempts to reach an actor that Ray restarts, in seconds.
AGAIN_S: Final = 0.3

#: How long an actor may take to kill its process, in seconds.
_KILLING_S: Final = 3.0


class ActorRun:
    """Runs an instance in its actor, and passes on the events from there.

    :param post: has the supervisor's thread call a function
    :param moved: called in that thread when the actor has a new place
    """

    def __init__(
        self,
        task: Task,
        _selector: object,
        *,
        registry: ActorRegistry,
        post: Callable[[Callable[[], None]], None],
        moved: Callable[[str], None],
        on_message: Callable[[Any, dict[str, Any]], None],
        on_line: Callable[[str, bytes], None],
        on_end: Callable[[Any, int], None],
    ) -> None:
        self.task = task
        self.pid = 0
        self._registry, self._post, self._moved = registry, post, moved
        self._on_message, self._on_line, self._on_end = on_message, on_line, on_end
        self.handle = registry.handle(task.name)
        self._has_begun = False
        self._is_over = threading.Event()
        thread = threading.Thread(target=self._run, name=f"{task.name}/run", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(str(error)) from None

    @property
    def is_over(self) -> bool:
        """True once it has ended, or its actor cannot be reached."""
        return self._is_over.is_set()

    def signal(self, number: int) -> None:
        """Send it a signal; a run that has not begun ends at once."""
        if self._has_begun:
            self.handle.actor.signal.remote(number)
        else:
            self._end(-number)
            self.handle.actor.kill.remote()

    def kill(self) -> None:
        """Kill it, and its actor too if that does not answer."""
        threading.Thread(target=self._kill, name=f"{self.task.name}/kill", daemon=True).start()

    def send(self, message: dict[str, Any]) -> bool:
        """Have it connect to all present instances; of the message only the `id` is used."""
        self.handle.actor.know.remote(self._registry.spots(), message["id"])
        return True

    def abandon(self) -> int:
        """Kill it and its actor."""
        self._is_over.set()
        self.handle.is_dead = True
        answered(self.handle.actor.kill.remote(), _KILLING_S)
        end(self.handle.actor)
        return -signal.SIGKILL

    def _kill(self) -> None:
        ref = self.handle.actor.kill.remote()
        done, _ = ray.wait([ref], timeout=_KILLING_S)
        if not done:
            self.handle.is_dead = True
            end(self.handle.actor)
            self._end(-signal.SIGKILL)

    # in a thread of its own

    def _run(self) -> None:
        try:
            begun = self._begin()
            last = begun["last"]
            while not self._is_over.is_set():
                batch = ray.get(self.handle.actor.news.remote(last))
                last = batch.last
                ends = [value for kind, *value in batch.events if kind == "end"]
                self._post(partial(self._take, batch.events, batch.dropped))
                if ends:
                    return
        except ActorUnavailableError:
            self._end(-signal.SIGKILL)
        except RayError:
            self.handle.is_dead = True
            self._end(-signal.SIGKILL)

    def _end(self, status: int) -> None:
        """Report the end, once; any thread."""
        if not self._is_over.is_set():
            self._is_over.set()
            self._post(lambda: self._on_end(self, status))

    def _begin(self) -> dict[str, Any]:
        found: dict[str, Any] | None = None
        while found is None:
            try:
                found = ray.get(self.handle.actor.run.remote(self._registry.spots()))
            except ActorUnavailableError:
                if self._is_over.is_set():
                    raise
            if found is None:
                self._is_over.wait(AGAIN_S)
        if self._is_over.is_set():
            # it was stopped before it began
            self.handle.actor.kill.remote()
        self._post(partial(self._take_begin, found))
        return found

    def _take_begin(self, begun: dict[str, Any]) -> None:
        self.pid = begun["pid"]
        spot = begun["spot"]
        if spot != self.handle.spot:
            self.handle.spot = spot
            self._moved(self.task.name)
        self._has_begun = True
        if begun["ready"] is not None and not self._is_over.is_set():
            self._on_message(self, begun["ready"])

    def _take(self, events: list[tuple[Any, ...]], dropped: int) -> None:
        if dropped:
            self._on_line("stderr", f"lines were dropped on their way: {dropped}".encode())
        for kind, *given in events:
            if kind == "line":
                self._on_line(*given)
            elif kind == "message":
                self._on_message(self, *given)
            elif not self._is_over.is_set():
                self._is_over.set()
                self._on_end(self, *given)
