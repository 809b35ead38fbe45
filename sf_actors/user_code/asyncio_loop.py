"""The event loop of one service, which runs its coroutine functions while their callers wait.

The thread that calls such a function waits until the coroutine is over. So a coroutine counts as
user code of that thread: it runs under its handler lock, with its label and its interrupts. An
interrupt of a waiting thread cancels the task instead of raising in the thread.

The loop has its own thread, from the first call of `blocking` to `end`. Tasks that a coroutine
leaves behind go on until then.
"""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors import log
from sf_actors.counters import summary
from sf_actors.errors import ServiceFailed, ServiceStopped
from sf_actors.log.throttle import Throttle
from sf_actors.sync.locks import new_rlock
from sf_actors.user_code.async_call import AsyncCall, ForkAwareSelector, ServiceTask
from sf_actors.user_code.daemon_pool import DaemonPool
from sf_actors.user_code.tracebacks import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.user_code.async_call import CoroutineFunction
    from sf_actors.user_code.interrupt_guard import InterruptGuard


class AsyncioLoop:
    """Runs the coroutine functions of one service.

    :param interrupt_guard: the guard of the threads that wait here
    :ivar on_exit: called in the loop's thread with the error of a task that called `sys.exit`, or
        of a loop that died
    """

    def __init__(self, interrupt_guard: InterruptGuard) -> None:
        self.interrupt_guard = interrupt_guard
        self.on_exit: Callable[[str, BaseException], None] | None = None
        # reentrant: a signal handler may stop the service while its thread holds it
        self._lock = new_rlock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: the threads of `asyncio.to_thread`
        self._pool: DaemonPool | None = None
        self._calls: set[AsyncCall] = set()
        self._main: AsyncCall | None = None
        self._is_main_cancelled = False
        #: set once no more calls are accepted
        self._is_ending = False
        self._is_over = False
        self._tasks: set[ServiceTask] = set()
        #: limits the log lines of failing tasks; one that fails now and then is logged each time
        self._errors = Throttle(1.0, burst=10)

    # calls

    def blocking(self, function: CoroutineFunction, is_main: bool) -> Callable[..., Any]:
        """Return a plain function that runs a coroutine function and waits for its end.

        Starts the loop, if it does not run yet.

        :param is_main: it is `main`, which `cancel_main` cancels
        :raises RuntimeError: the system has no thread left
        """
        self._need()
        return partial(self._call, function, is_main)

    def cancel_main(self) -> None:
        """Cancel `main` if it is a coroutine, even one that has yet to begin; any thread."""
        with self._lock:
            self._is_main_cancelled = True
            main = self._main
        if main is not None:
            self._cancel(main)

    def runs_here(self) -> bool:
        """Return True if the calling thread is the loop's or one of `asyncio.to_thread`."""
        if self._pool is not None and self._pool.runs_here():
            return True
        return threading.current_thread() is self._thread

    def _call(self, function: CoroutineFunction, is_main: bool, *args: Any) -> Any:
        """Run a coroutine function in the loop, in the context of the calling thread.

        :raises ServiceStopped: it was cancelled by an interrupt, or the loop has ended
        :raises BaseException: the exception of the coroutine
        """
        call = AsyncCall(function, args)
        here = threading.get_ident()
        try:
            self.interrupt_guard.redirect(here, partial(self._cancel, call))
            self._submit(call, is_main=is_main)
            call.done.wait()
        except BaseException:
            # raised in this thread by a signal handler: leave no coroutine running
            self._cancel(call)
            if call in self._calls:
                call.done.wait()
            raise
        finally:
            self.interrupt_guard.redirect(here, None)
            self._calls.discard(call)
        call.adopt_context()
        error = call.error
        if error is None:
            return call.result
        try:
            if isinstance(error, asyncio.CancelledError) and (is_main or call.is_cancelled):
                problem = "the service stops, and its coroutine was cancelled"
                raise ServiceStopped(problem) from error
            raise error
        finally:
            # the traceback refers to this frame
            del error, call

    def _submit(self, call: AsyncCall, *, is_main: bool) -> None:
        with self._lock:
            if self._is_ending or self._loop is None:
                raise ServiceStopped("the service stops, and its event loop has ended")
            if is_main:
                self._main = call
                call.is_cancelled = call.is_cancelled or self._is_main_cancelled
            self._calls.add(call)
            self._loop.call_soon_threadsafe(self._begin, call)

    def _begin(self, call: AsyncCall) -> None:
        """Start the coroutine of a call; in the loop's thread."""
        call.task = asyncio.get_running_loop().create_task(call.run(), context=call.context)
        call.task.add_done_callback(call.end)
        if call.is_cancelled:
            call.task.cancel()

    def _cancel(self, call: AsyncCall) -> None:
        call.is_cancelled = True
        self._in_loop(call.cancel_task)

    def _in_loop(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread, unless the loop has ended; any thread."""
        with self._lock:
            if self._loop is not None and not self._is_over:
                self._loop.call_soon_threadsafe(function)

    # the end

    def end(self, timeout_s: float) -> bool:
        """Cancel all tasks, and wait until the thread has ended; in any other thread.

        Calls of coroutine functions are refused from now on. May be called again.

        :param timeout_s: longest wait, in seconds
        :returns: False if tasks, or threads of `asyncio.to_thread`, still run
        """
        with self._lock:
            is_first, self._is_ending = not self._is_ending, True
            thread = self._thread
        if thread is None:
            return True
        if is_first:
            self._in_loop(self._begin_end)
        if thread is not threading.current_thread():
            thread.join(max(0.0, timeout_s))
        return not thread.is_alive()

    def interrupt(self) -> None:
        """Cancel again the tasks that survived the cancellation by `end`; any thread."""
        if self._is_ending:
            self._in_loop(self._cancel_tasks)

    @property
    def running(self) -> list[str]:
        """What keeps the loop from ending: tasks, or the thread itself; any thread."""
        if self._thread is None or not self._thread.is_alive():
            return []
        own = {call.task for call in tuple(self._calls)}
        tasks = [task for task in tuple(self._tasks) if task not in own and not task.done()]
        if tasks or own:
            return [task.label for task in tasks]
        return ["a thread of asyncio.to_thread" if self._is_over else "the event loop"]

    def _begin_end(self) -> None:
        ending = asyncio.Task(self._end(), loop=self._loop, name="the end of the loop")
        ending.add_done_callback(self._leave)

    async def _end(self) -> None:
        while True:
            self._cancel_tasks()
            # tasks that a task starts while it ends are cancelled in the next round
            if not self._tasks:
                break
            await asyncio.wait(tuple(self._tasks))
        await asyncio.get_running_loop().shutdown_asyncgens()

    def _leave(self, _ending: object) -> None:
        self._is_over = True
        asyncio.get_running_loop().stop()

    def _cancel_tasks(self) -> None:
        for call in tuple(self._calls):
            call.is_cancelled = True
        for task in tuple(self._tasks):
            task.cancel()

    # the thread

    def _need(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            loop = asyncio.SelectorEventLoop(ForkAwareSelector())
            loop.set_task_factory(self._task)
            loop.set_exception_handler(self._note)
            self._pool = DaemonPool()
            loop.set_default_executor(self._pool)
            thread = threading.Thread(
                target=self._run, args=(loop,), name="event loop", daemon=True
            )
            try:
                thread.start()
            except BaseException:
                loop.close()
                raise
            self._loop, self._thread = loop, thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._is_over:
                try:
                    # if user code stops the loop, it runs on
                    loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    self._report_exit("a task", error)
        except BaseException as error:  # noqa: BLE001 - the waiting threads must be told
            self._die(error)
        finally:
            asyncio.set_event_loop(None)
            with self._lock:
                self._is_over = True
                loop.close()
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _die(self, error: BaseException) -> None:
        """Fail all calls, since the loop itself has died."""
        failed = ServiceFailed(f"the event loop died: {summary(error)}")
        failed.__cause__ = error
        with self._lock:
            self._is_ending = self._is_over = True
            calls = tuple(self._calls)
        self._report_exit("the event loop", failed)
        for call in calls:
            call.error = failed
            call.done.set()

    def _report_exit(self, label: str, error: BaseException) -> None:
        if self.on_exit is not None and not isinstance(error, KeyboardInterrupt):
            self.on_exit(label, error)
        else:
            log.package_logger().error("task failed", task=label, exc_info=trimmed(error))

    def _task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> ServiceTask:
        # the loop itself keeps only weak references
        task = ServiceTask(coroutine, loop=loop, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note(self, _loop: object, problem: dict[str, Any]) -> None:
        """Log an exception of a task that nobody awaited; in any thread that drops the task."""
        error = problem.get("exception")
        if isinstance(error, SystemExit | ServiceStopped):
            # handled elsewhere, or a task that the stop ended
            return
        task = problem.get("task") or problem.get("future")
        label = task.label if isinstance(task, ServiceTask) else "the event loop"
        left_out = self._errors.admit(label, monotonic())
        if left_out is None:
            return
        context = task.own_context if isinstance(task, ServiceTask) else copy_context()
        # a copy, since the context may be in use
        context.copy().run(
            log.package_logger().error,
            "task failed",
            task=label,
            error=summary(error) if error is not None else problem.get("message"),
            left_out=left_out,
            exc_info=None if error is None else trimmed(error),
        )
