"""Runs a service's signal hook under the handler lock, before the stop."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from sf_actors.errors import ServiceStopped
from sf_actors.user_code.call import OneOffCall
from sf_actors.user_code.tracebacks import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from sf_actors.lifecycle.run_state import RunState


class SignalHook:
    """Runs one signal hook of one run.

    :param hook: takes the signal's number, the frame, to_send, states, config
    :param with_interrupts: begins the stop, and repeats a wait until its deadline
    """

    def __init__(
        self,
        state: RunState,
        hook: Callable[..., Any],
        *,
        with_interrupts: Callable[[Callable[[float], bool]], bool],
    ) -> None:
        self._state = state
        self._hook = hook
        self._with_interrupts = with_interrupts

    def run(self, signum: int, frame: FrameType | None) -> None:
        """Begin the stop and run the hook, within one deadline; in the main thread.

        An exception of the hook makes the service fail.
        """
        state = self._state
        call = OneOffCall(
            lambda _args, to_send, _pinned, config: self._hook(
                signum, frame, to_send, state.run_context.states, config
            ),
            label="sigint_handler" if signum == signal.SIGINT else "sigterm_handler",
        )
        state.hook_ended.clear()
        try:
            # in another thread, so that the deadline applies to the hook too
            state.run_for_stop(self._run_in_turn, call, name="signal hook")
            self._with_interrupts(call.done.wait)
        finally:
            state.hook_ended.set()
        error = call.error
        if error is not None and not isinstance(error, ServiceStopped):
            state.run_context.log.error(
                "signal hook failed", handler=call.label, exc_info=trimmed(error)
            )
            if isinstance(error, SystemExit):
                error = state.exit_outside_main(call.label, error)
            state.blame(error)

    def _run_in_turn(self, call: OneOffCall) -> None:
        state = self._state
        with state.run_context.scope.entered():
            if not state.run_context.handler_lock.run_here(call, timeout_s=state.stop_timeout_s):
                state.run_context.log.warning(
                    "signal hook did not run: other user code did not end", handler=call.label
                )
                call.cancel()
