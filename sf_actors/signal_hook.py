"""The hook that a service has for a signal: user code that runs in its turn, before the stop."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from sf_actors.actors.turn import Once
from sf_actors.errors import ServiceStopped
from sf_actors.user_frames import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from sf_actors.runtime import Run


class SignalHook:
    """Runs one hook of one run.

    :param hook: takes the number of the signal, the frame, to_send, states, config
    """

    def __init__(self, run: Run, hook: Callable[..., Any]) -> None:
        self._run = run
        self._hook = hook

    def run(self, signum: int, frame: FrameType | None) -> None:
        """Run the hook, within the deadline of the stop, which begins now; in the main thread.

        What it raised makes the service fail.
        """
        run = self._run
        call = Once(
            lambda _args, to_send, _pinned, config: self._hook(
                signum, frame, to_send, run.world.states, config
            ),
            label=f"{signal.Signals(signum).name.lower()}_handler",
        )
        run.hook_ended.clear()
        try:
            # in a thread of its own, so that the deadline holds for the hook as well
            run.start_thread(self._run_in_turn, call, name="signal hook")
            run.stopping.with_interrupts(call.done.wait)
        finally:
            run.hook_ended.set()
        error = call.error
        if error is not None and not isinstance(error, ServiceStopped):
            run.world.log.error("signal hook failed", handler=call.label, exc_info=trimmed(error))
            if isinstance(error, SystemExit):
                error = run.exit_outside_main(call, error)
            run.blame(error)

    def _run_in_turn(self, call: Once) -> None:
        run = self._run
        with run.world.scope.entered():
            if not run.world.turn.run_here(call, timeout_s=run.stop_timeout_s):
                run.world.log.warning(
                    "signal hook did not run: other user code did not end", handler=call.label
                )
                call.cancel()
