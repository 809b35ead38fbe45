"""Runs calls of user code one at a time, each in its own context."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from sf_actors.errors import Refused
from sf_actors.log import WORKFLOW_ID
from sf_actors.user_code.interruptible import UserCode
from sf_actors.user_code.states_view import PINNED

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from sf_actors.user_code.call import Call
    from sf_actors.user_code.call_contexts import CallContexts
    from sf_actors.user_code.interrupt_guard import InterruptGuard


class CallRunner:
    """Runs calls one at a time; its callers ensure that.

    :param offered: returns the arguments of a handler after `args`: to_send, states, config
    :param on_error: called with each exception of user code and its call
    :param contexts: makes the context of each call
    :param interrupt_guard: the guard of the handlers' `to_send`
    :ivar constant_arguments: the result of `offered`, if it is the same for every call
    """

    def __init__(
        self,
        *,
        offered: Callable[[Mapping[str, Any] | None], tuple[Any, ...]],
        on_error: Callable[[Call, BaseException], None],
        contexts: CallContexts,
        interrupt_guard: InterruptGuard | None = None,
    ) -> None:
        self.contexts = contexts
        self.constant_arguments: tuple[Any, ...] | None = None
        self.user_code = UserCode(interrupt_guard)
        self.handled = 0
        self.failed = 0
        self._offered = offered
        self._on_error = on_error
        self._interrupt_guard = interrupt_guard
        #: the call that runs, or ran last
        self._running: Call | None = None

    def run(self, call: Call) -> None:
        """Run a call; in any thread."""
        self.contexts.new().run(self._run, call)

    def _run(self, call: Call) -> None:
        """Run a call, in its own context, so that log lines about it show what it bound; HOT."""
        WORKFLOW_ID.set(call.workflow_id)
        self._running = call
        self.user_code.began = began = perf_counter()
        offered = self.constant_arguments
        if offered is None:
            offered = self._offered(call.pinned)
            if not call.reports:
                # `init_function` and signal hooks see the states live
                PINNED.set(None)
        result, error = self.user_code.run(call.label, call.handler, (call.args, *offered))
        seconds = perf_counter() - began
        try:
            self._note(call, error, seconds)
            if error is not None:
                self._on_error(call, error)
            call.complete(result, error)
        finally:
            # its traceback refers to this frame: a cycle that only the garbage collector would free
            del error

    def _note(self, call: Call, error: BaseException | None, seconds: float) -> None:
        """Count a call that has ended."""
        counters = call.counters
        counters.handler_s.add(seconds)
        if error is None:
            self.handled += 1
            counters.handled += 1
        elif isinstance(error, Refused) and call.reports:
            self.handled += 1
            counters.refused += 1
        else:
            self.failed += 1
            counters.fail(error)

    def leave_behind(self) -> int | None:
        """Give up the running call, if it is the call of a message; any thread.

        :returns: the id of its thread, which only ends if the handler ever returns
        """
        running: Call | None = None

        def is_meant() -> bool:
            # read here, where the call cannot end; right afterwards another may run
            nonlocal running
            running = self._running
            return running is not None and running.reports

        thread_id = self.user_code.leave_behind(is_meant)
        if running is not None and thread_id is not None:
            running.leave_behind()
        return thread_id

    def beside(self, counting: threading.Lock) -> CallRunner:
        """Return a runner with the same settings, whose calls run beside those of this one.

        :param counting: held while a call is counted, so that runners may share counters
        """
        return _RunnerBeside(self, counting)

    def _arguments_of(self, pinned: Mapping[str, Any] | None) -> tuple[Any, ...]:
        constant = self.constant_arguments
        return self._offered(pinned) if constant is None else constant


class _RunnerBeside(CallRunner):
    """Runs calls beside other runners that share its counters."""

    def __init__(self, main: CallRunner, counting: threading.Lock) -> None:
        super().__init__(
            offered=main._arguments_of,  # noqa: SLF001 - of the same family
            on_error=main._on_error,  # noqa: SLF001
            contexts=main.contexts,
            interrupt_guard=main._interrupt_guard,  # noqa: SLF001
        )
        self._counting = counting

    def run(self, call: Call) -> None:
        super().run(call)
        # there are many runners, and each would keep its last message alive
        self._running = None

    def _note(self, call: Call, error: BaseException | None, seconds: float) -> None:
        with self._counting:
            super()._note(call, error, seconds)
