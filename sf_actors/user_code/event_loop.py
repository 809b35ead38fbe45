"""The event loop of one service, which is made for its first coroutine function.

asyncio is much to import: a service that has no such function does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.user_code.async_call import CoroutineFunction
    from sf_actors.user_code.asyncio_loop import AsyncioLoop
    from sf_actors.user_code.interrupt_guard import InterruptGuard


class EventLoop:
    """An `AsyncioLoop` from the first coroutine function on; without one, nothing runs here.

    :param interrupt_guard: that of the threads which wait here
    """

    def __init__(self, interrupt_guard: InterruptGuard) -> None:
        self.interrupt_guard = interrupt_guard
        self._loop: AsyncioLoop | None = None

    def blocking(self, function: CoroutineFunction, is_main: bool) -> Callable[..., Any]:
        """Return a plain function that runs a coroutine function; in the thread that loads.

        Arguments and errors are those of `AsyncioLoop.blocking`.
        """
        if self._loop is None:
            from sf_actors.user_code.asyncio_loop import AsyncioLoop  # noqa: PLC0415 - see above

            self._loop = AsyncioLoop(self.interrupt_guard)
        return self._loop.blocking(function, is_main)

    def on_exit(self, call: Callable[[str, BaseException], None]) -> None:
        """Have this called in the loop's thread with what ends the loop; once all is loaded."""
        if self._loop is not None:
            self._loop.on_exit = call

    def cancel_main(self) -> None:
        """Cancel `main` if it is a coroutine, also one that has yet to begin; any thread."""
        if self._loop is not None:
            self._loop.cancel_main()

    def runs_here(self) -> bool:
        """Return whether the calling thread is the loop's, or one of `asyncio.to_thread`."""
        return self._loop is not None and self._loop.runs_here()

    def end(self, timeout_s: float) -> bool:
        """Cancel all tasks and wait until the thread has ended; any other thread.

        :param timeout_s: in seconds
        :returns: False if tasks, or threads of `asyncio.to_thread`, still run
        """
        return self._loop is None or self._loop.end(timeout_s)

    def interrupt(self) -> None:
        """Cancel once more what has not ended by the cancellation of `end`; any thread."""
        if self._loop is not None:
            self._loop.interrupt()

    @property
    def running(self) -> list[str]:
        """What keeps the loop from its end: tasks, or the thread itself; any thread."""
        return [] if self._loop is None else self._loop.running
