"""The parts of a service's event loop: its calls, its tasks and its selector."""

from __future__ import annotations

import asyncio
import selectors
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

from sf_actors.sync.event import LightEvent
from sf_actors.sync.forks import FORKS
from sf_actors.user_code.forked_child import end_child

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    CoroutineFunction = Callable[..., Coroutine[Any, Any, Any]]

_ABSENT: Final = object()


class ForkAwareSelector(selectors.DefaultSelector):
    """Ends a child that a coroutine forked, before it polls the parent's descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self._forks = FORKS.count

    def select(self, timeout: float | None = None) -> Any:
        """Wait for ready descriptors, at most `timeout` seconds; in the loop's thread."""
        if FORKS.count != self._forks:
            end_child(None)
        return super().select(timeout)


class ServiceTask(asyncio.Task[Any]):
    """A task that keeps its context, in which its errors are logged."""

    def __init__(self, coroutine: Any, *, context: Context | None = None, **options: Any) -> None:
        self.own_context = context or copy_context()
        super().__init__(coroutine, context=self.own_context, **options)

    @property
    def label(self) -> str:
        """The name of the function that it runs, for messages."""
        coroutine = self.get_coro()
        name = getattr(coroutine, "__qualname__", type(coroutine).__qualname__)
        return f"task {name.rpartition('<locals>.')[2]}"


class AsyncCall:
    """One call of a coroutine function, for which a thread waits."""

    __slots__ = ("args", "context", "done", "error", "function", "is_cancelled", "result", "task")

    def __init__(self, function: CoroutineFunction, args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        # a copy: the waiting thread is inside its context, and two threads cannot share one
        self.context = copy_context()
        self.task: asyncio.Task[None] | None = None
        self.is_cancelled = False
        self.done = LightEvent()
        self.result: Any = None
        self.error: BaseException | None = None

    async def run(self) -> None:
        """Run the coroutine and keep its result or error; an exit would end asyncio's loop."""
        forks = FORKS.count
        try:
            self.result = await self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            self.error = error
        if FORKS.count != forks:
            end_child(self.error)

    def end(self, task: asyncio.Task[None]) -> None:
        """Wake the waiting thread; a task that was cancelled before it began has set no error."""
        if task.cancelled() and self.error is None:
            self.error = asyncio.CancelledError()
        self.done.set()

    def cancel_task(self) -> None:
        """Cancel the task, if it has begun; in the loop's thread."""
        if self.task is not None:
            self.task.cancel()

    def adopt_context(self) -> None:
        """Bind here the variables that the coroutine bound in its copy; in the waiting thread."""
        for variable, value in self.context.items():
            if variable.get(_ABSENT) is not value:
                variable.set(value)
