"""The thread pool for `asyncio.to_thread`, with threads that don't keep the process alive.

At exit, the interpreter waits for the threads of a standard pool however long their jobs are stuck:
the stop of a process would have no deadline.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Future[Any], Callable[[], Any]]

#: Most threads of one service; more jobs wait.
MAX_THREADS: Final = 32


class DaemonPool(ThreadPoolExecutor):
    """Runs jobs in daemon threads, which start on demand; any thread may call.

    It is a `ThreadPoolExecutor` only because asyncio takes no other executor.
    """

    def __init__(self) -> None:
        super().__init__()
        # reentrant: a signal handler may need it in a thread that holds it
        self._pool_lock = new_rlock()
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
        """Let the threads end after the waiting jobs.

        :param wait: return only when they have ended
        :param cancel_futures: cancel the waiting jobs
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
        """Return True if the calling thread belongs to the pool."""
        return threading.current_thread() in self._daemons

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="asyncio.to_thread", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # the system has no thread left: the existing ones do the job later
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
                except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
                    future.set_exception(error)
                else:
                    future.set_result(result)
            # while it waits for the next one, the thread must not keep this one alive
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
