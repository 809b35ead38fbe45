"""The threads of `asyncio.to_thread`, which keep no process from its end.

Those of the standard library are waited for when the interpreter exits, however long what they run
is stuck: there would be no deadline for the stop of a process.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Future[Any], Callable[[], Any]]

#: Most threads of one service; further jobs wait.
MAX_THREADS: Final = 32


class DaemonPool(ThreadPoolExecutor):
    """Runs jobs in daemon threads, which start with need; any thread may call.

    A `ThreadPoolExecutor` by name, since asyncio takes no other executor.
    """

    def __init__(self) -> None:
        super().__init__()
        # one that a signal's handler may come back to, in a thread that has it
        self._pool_lock = threading.RLock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._daemons: list[threading.Thread] = []
        self._has_ended = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Have a function called in a thread of the pool.

        :raises RuntimeError: the pool has ended, or the system has no thread left
        """
        future: Future[Any] = Future()
        with self._pool_lock:
            if self._has_ended:
                raise RuntimeError("the service stops: no thread takes anything new")
            if not self._idle.acquire(blocking=False) and len(self._daemons) < MAX_THREADS:
                self._start()
            self._jobs.put((future, partial(function, *args, **options)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when they have done what waits.

        :param wait: return when they have
        :param cancel_futures: cancel what waits
        """
        with self._pool_lock:
            self._has_ended = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in self._daemons:
                self._jobs.put(None)
        if wait:
            for thread in self._daemons:
                thread.join()

    def runs_here(self) -> bool:
        """Return whether the calling thread is one of the pool."""
        return threading.current_thread() in self._daemons

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="asyncio.to_thread", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # the system has no thread left: those that are there do it in time
            if not self._daemons:
                raise
        else:
            self._daemons.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function = job
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:  # noqa: BLE001 - it is for who waits
                    future.set_exception(error)
                else:
                    future.set_result(result)
            # what waits for the next one keeps nothing of this one
            del job, future, function
            result = None
            self._idle.release()

    def _cancel_waiting(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                job[0].cancel()
