"""A thread in reserve, for stops when the system has no thread left.

A stop that is asked for in user code, or in an actor's thread, cannot run there, and it may be
impossible to start a new thread. So one thread is kept from the start of the first run to the end
of the last, for all runs of the process. While new threads can be started, each stop gets one; else
the stops queue for the thread in reserve. A stop in the main thread, which has to be shielded,
borrows the thread if it is idle, which saves starting one (the benchmark `lifecycle`).
"""

from __future__ import annotations

import contextvars
import os
import threading
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    Tasks = SimpleQueue[Callable[[], object] | None]


class ReserveThread:
    """One thread that runs tasks as long as a run needs it; any thread may call."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._users: set[object] = set()
        self._tasks: Tasks = SimpleQueue()
        self._thread: threading.Thread | None = None
        #: how many tasks are queued or run
        self._waiting = 0

    def forget(self) -> None:
        """Start anew: the child of a fork has neither the thread nor the runs."""
        self.__init__()  # type: ignore[misc]

    def need(self, user: object) -> None:
        """Keep the thread until `need_no_more`; start it if there is none.

        :raises RuntimeError: it cannot be started
        """
        with self._lock:
            if self._thread is None:
                # in an empty context, since it belongs to no service
                self._thread = contextvars.Context().run(self._started)
            self._users.add(user)

    def need_no_more(self, user: object) -> threading.Thread | None:
        """End the thread, unless another user needs it.

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
        """Queue a task; only for users that need the thread."""
        with self._lock:
            self._put(task)

    def lend(self, task: Callable[[], object]) -> bool:
        """Run a task if the thread is there and idle; return False if it is not."""
        with self._lock:
            if self._thread is None or self._waiting:
                return False
            self._put(task)
            return True

    def _put(self, task: Callable[[], object]) -> None:
        self._waiting += 1
        self._tasks.put(partial(self._run, task))

    def _run(self, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            with self._lock:
                self._waiting -= 1

    def _started(self) -> threading.Thread:
        tasks: Tasks = SimpleQueue()
        self._tasks = tasks
        thread = threading.Thread(
            target=_work, args=(tasks,), name="sf_actors/reserve", daemon=True
        )
        try:
            thread.start()
        except BaseException:
            # it may have started all the same: the interrupt may come during the wait for it
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
        # while it waits for the next task, the thread must not keep this one alive
        del task


RESERVE: Final = ReserveThread()
os.register_at_fork(after_in_child=RESERVE.forget)
