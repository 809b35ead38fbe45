"""The event loop of one service: its coroutine functions run there, each for a thread that waits.

The thread that calls such a function waits until its coroutine is over, so a coroutine counts as
user code of that thread: it has the handler lock, its label, and its interrupts. An interrupt of a
thread that waits here cancels the task, since nothing is to be raised in the thread itself.

The loop has a thread of its own, which begins with `need` and ends with `end`. Tasks that a
coroutine leaves behind go on until then.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from sf_actors.counters import summary
from sf_actors.errors import ServiceFailed, ServiceStopped
from sf_actors.log import package_logger
from sf_actors.log.throttle import Throttle
from sf_actors.sync.event import LightEvent
from sf_actors.sync.forks import FORKS
from sf_actors.user_code.forked_child import end_child
from sf_actors.user_code.tracebacks import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sf_actors.user_code.interrupt_guard import InterruptGuard

    CoroutineFunction = Callable[..., Coroutine[Any, Any, Any]]

_ABSENT: Final = object()


class _Selector(selectors.DefaultSelector):
    """Ends the child of a fork that a coroutine made, before it polls what is the parent's."""

    def __init__(self) -> None:
        super().__init__()
        self._forks = FORKS.count

    def select(self, timeout: float | None = None) -> Any:
        """Wait for what is ready, in seconds; in the loop's thread."""
        if FORKS.count != self._forks:
            end_child(None)
        return super().select(timeout)


class _Task(asyncio.Task[Any]):
    """A task that knows its context: what it raises is told there."""

    def __init__(self, coroutine: Any, *, context: Context | None = None, **options: Any) -> None:
        self.own_context = context or copy_context()
        super().__init__(coroutine, context=self.own_context, **options)


class _AsyncCall:
    """One call of a coroutine function, which a thread waits for."""

    __slots__ = ("args", "context", "done", "error", "function", "is_cancelled", "result", "task")

    def __init__(self, function: CoroutineFunction, args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        # the thread that waits is in its own: no two threads can be in one
        self.context = copy_context()
        self.task: asyncio.Task[None] | None = None
        self.is_cancelled = False
        self.done = LightEvent()
        self.result: Any = None
        self.error: BaseException | None = None

    async def run(self) -> None:
        """Run the coroutine, and keep what comes of it: asyncio would end the loop by an exit."""
        forks = FORKS.count
        try:
            self.result = await self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self.error = error
        if FORKS.count != forks:
            end_child(self.error)

    def end(self, task: asyncio.Task[None]) -> None:
        """Wake the thread that waits; a task that was cancelled before it began has not run."""
        if task.cancelled() and self.error is None:
            self.error = asyncio.CancelledError()
        self.done.set()

    def cancel_task(self) -> None:
        """Cancel the task, if it has begun; in the loop's thread."""
        if self.task is not None:
            self.task.cancel()


class EventLoop:
    """Runs the coroutine functions of one service.

    :param name: of the service's threads; unknown until the file is loaded
    :param interrupt_guard: that of the threads which wait here
    :ivar on_exit: called in the loop's thread with the error of a task that called `sys.exit`, and
        with that of a loop that died
    """

    def __init__(self, interrupt_guard: InterruptGuard) -> None:
        self.interrupt_guard = interrupt_guard
        self.on_exit: Callable[[str, BaseException], None] | None = None
        # a signal's handler may stop the service while its thread has it
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        #: the ids of the threads of `asyncio.to_thread`
        self._pool_threads: set[int] = set()
        self._calls: set[_AsyncCall] = set()
        self._main: _AsyncCall | None = None
        self._is_main_cancelled = False
        #: no call is taken any more
        self._is_ending = False
        self._is_over = False
        self._tasks: set[asyncio.Task[Any]] = set()
        #: a task that fails now and then is told each time
        self._errors = Throttle(1.0, burst=10)

    # calls

    def blocking(self, function: CoroutineFunction, is_main: bool) -> Callable[..., Any]:
        """Return a plain function that runs a coroutine function and waits for its end.

        The loop is there from now on.

        :param is_main: `cancel_main` cancels it
        :raises RuntimeError: the system has no thread left
        """
        self._need()
        return partial(self._call, function, is_main)

    def cancel_main(self) -> None:
        """Cancel `main` if it is a coroutine, also one that has yet to begin; any thread."""
        with self._lock:
            self._is_main_cancelled = True
            main = self._main
        if main is not None:
            self._cancel(main)

    def runs_here(self) -> bool:
        """Return whether the calling thread is the loop's, or one of `asyncio.to_thread`."""
        here = threading.current_thread()
        return here is self._thread or here.ident in self._pool_threads

    def _call(self, function: CoroutineFunction, is_main: bool, *args: Any) -> Any:
        """Run a coroutine function in the loop, in the context of the calling thread.

        :raises ServiceStopped: it was cancelled by an interrupt, or the loop has ended
        :raises BaseException: what the coroutine raised
        """
        call = _AsyncCall(function, args)
        here = threading.get_ident()
        try:
            self.interrupt_guard.redirect(here, partial(self._cancel, call))
            self._submit(call, is_main=is_main)
            call.done.wait()
        except BaseException:
            # raised in this thread by a signal's handler: no coroutine is left running
            self._cancel(call)
            if call in self._calls:
                call.done.wait()
            raise
        finally:
            self.interrupt_guard.redirect(here, None)
            self._calls.discard(call)
        _adopt(call.context)
        error = call.error
        if error is None:
            return call.result
        try:
            if isinstance(error, asyncio.CancelledError) and (is_main or call.is_cancelled):
                problem = "the service stops, and its coroutine was cancelled"
                raise ServiceStopped(problem) from error
            raise error
        finally:
            # the traceback has this frame
            del error, call

    def _submit(self, call: _AsyncCall, *, is_main: bool) -> None:
        with self._lock:
            if self._is_ending or self._loop is None:
                raise ServiceStopped("the service stops, and its event loop has ended")
            if is_main:
                self._main = call
                call.is_cancelled = call.is_cancelled or self._is_main_cancelled
            self._calls.add(call)
            self._loop.call_soon_threadsafe(self._begin, call)

    def _begin(self, call: _AsyncCall) -> None:
        """Let the coroutine of a call begin; in the loop's thread."""
        call.task = asyncio.get_running_loop().create_task(call.run(), context=call.context)
        call.task.add_done_callback(call.end)
        if call.is_cancelled:
            call.task.cancel()

    def _cancel(self, call: _AsyncCall) -> None:
        call.is_cancelled = True
        self._in_loop(call.cancel_task)

    def _in_loop(self, function: Callable[[], object]) -> None:
        """Have a function called in the loop's thread, unless the loop has ended; any thread."""
        with self._lock:
            if self._loop is not None and not self._is_over:
                self._loop.call_soon_threadsafe(function)

    # the end

    def end(self, timeout_s: float) -> bool:
        """Cancel all tasks and wait until the thread has ended; any other thread.

        Calls of coroutine functions are refused from now on. May be called again.

        :param timeout_s: in seconds
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
        """Cancel once more what has not ended by the cancellation of `end`; any thread."""
        if self._is_ending:
            self._in_loop(self._cancel_tasks)

    @property
    def running(self) -> list[str]:
        """What keeps the loop from its end: tasks, or the thread itself; any thread."""
        if self._thread is None or not self._thread.is_alive():
            return []
        own = {call.task for call in tuple(self._calls)}
        tasks = [task for task in tuple(self._tasks) if task not in own and not task.done()]
        if tasks or own:
            return [_label(task) for task in tasks]
        return ["a thread of asyncio.to_thread" if self._is_over else "the event loop"]

    def _begin_end(self) -> None:
        ending = asyncio.Task(self._end(), loop=self._loop, name="the end of the loop")
        ending.add_done_callback(self._leave)

    async def _end(self) -> None:
        while True:
            self._cancel_tasks()
            # those that a task leaves as it ends are cancelled in the next round
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
            loop = asyncio.SelectorEventLoop(_Selector())
            loop.set_task_factory(self._task)
            loop.set_exception_handler(self._note)
            self._pool = ThreadPoolExecutor(
                thread_name_prefix="asyncio.to_thread", initializer=self._note_pool_thread
            )
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

    def _note_pool_thread(self) -> None:
        self._pool_threads.add(threading.get_ident())

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._is_over:
                try:
                    # a loop that user code stops goes on
                    loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    self._tell_exit("a task", error)
        except BaseException as error:  # noqa: BLE001 - those who wait must be told
            self._die(error)
        finally:
            asyncio.set_event_loop(None)
            with self._lock:
                self._is_over = True
                loop.close()
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _die(self, error: BaseException) -> None:
        """Take that the loop itself has failed: nothing runs in it any more."""
        failed = ServiceFailed(f"the event loop died: {summary(error)}")
        failed.__cause__ = error
        with self._lock:
            self._is_ending = self._is_over = True
            calls = tuple(self._calls)
        self._tell_exit("the event loop", failed)
        for call in calls:
            call.error = failed
            call.done.set()

    def _tell_exit(self, label: str, error: BaseException) -> None:
        if self.on_exit is not None and not isinstance(error, KeyboardInterrupt):
            self.on_exit(label, error)
        else:
            package_logger().error("task failed", task=label, exc_info=trimmed(error))

    def _task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        # the loop itself keeps weak references only
        task = _Task(coroutine, loop=loop, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _note(self, _loop: object, told: dict[str, Any]) -> None:
        """Tell of what a task raised that nobody has waited for; in any thread that drops it."""
        error = told.get("exception")
        if isinstance(error, SystemExit | ServiceStopped):
            # told of elsewhere; or a task that ends by the stop
            return
        task = told.get("task") or told.get("future")
        label = _label(task) if isinstance(task, asyncio.Task) else "the event loop"
        left_out = self._errors.admit(label, monotonic())
        if left_out is None:
            return
        context = task.own_context if isinstance(task, _Task) else copy_context()
        # a copy: the context may be in use
        context.copy().run(
            package_logger().error,
            "task failed",
            task=label,
            error=summary(error) if error is not None else told.get("message"),
            left_out=left_out,
            exc_info=None if error is None else trimmed(error),
        )


def _adopt(context: Context) -> None:
    """Bind here what a coroutine has bound in its copy of the calling thread's context."""
    for variable, value in context.items():
        if variable.get(_ABSENT) is not value:
            variable.set(value)


def _label(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", type(coroutine).__qualname__)
    return f"task {name.rpartition('<locals>.')[2]}"
