"""The thread in reserve, for what a stop needs when the system has no thread left.

Whoever asks for a stop in user code, or in an actor's thread, cannot do it there, and a thread for
it may not be had any more. So one is there from the start of the first run to the end of the last,
for all runs of the process. As long as there are others each stop has its own; for the one in
reserve the stops queue.
"""

from __future__ import annotations

import contextvars
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Tasks = SimpleQueue[Callable[[], object] | None]


class Reserve:
    """One thread that does what it is told while somebody needs it; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: set[object] = set()
        self._tasks: Tasks = SimpleQueue()
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """Be as new: the child of a fork has neither the thread nor the runs."""
        self.__init__()  # type: ignore[misc]

    def need(self, user: object) -> None:
        """Have the thread there, until it is needed no more.

        :raises RuntimeError: it cannot be started
        """
        with self._lock:
            if self._thread is None:
                # in a context of its own: it belongs to no service
                self._thread = contextvars.Context().run(self._started)
            self._users.add(user)

    def need_no_more(self, user: object) -> threading.Thread | None:
        """Let the thread end when nobody else needs it.

        :returns: the thread, if it ends now
        """
        with self._lock:
            self._users.discard(user)
            if self._users or self._thread is None:
                return None
            ending, self._thread = self._thread, None
            self._tasks.put(None)
            return ending

    def run(self, task: Callable[[], object]) -> None:
        """Have a task run behind those that were given before; only for who needs the thread."""
        self._tasks.put(task)

    def _started(self) -> threading.Thread:
        tasks: Tasks = SimpleQueue()
        self._tasks = tasks
        thread = threading.Thread(
            target=_work, args=(tasks,), name="sf_actors/reserve", daemon=True
        )
        try:
            thread.start()
        except BaseException:
            # it may have started all the same: the interrupt comes while it is waited for
            tasks.put(None)
            raise
        return thread


def _work(tasks: Tasks) -> None:
    while (task := tasks.get()) is not None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - the next task is another service's
            threading.excepthook(
                threading.ExceptHookArgs(
                    (type(error), error, error.__traceback__, threading.current_thread())
                )
            )
        # what waits for the next one keeps nothing of this one
        del task


RESERVE: Final = Reserve()
os.register_at_fork(after_in_child=RESERVE.forget)
