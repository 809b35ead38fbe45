"""The start of a run: sockets open, `init_function` runs, and then everything is READY at once."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.actors.authenticator import Authenticator
from sf_actors.actors.latch import Latch
from sf_actors.actors.router import Router
from sf_actors.actors.send import ToSend
from sf_actors.actors.turn import Once
from sf_actors.errors import ServiceFailed, ServiceStopped
from sf_actors.user_frames import trimmed

if TYPE_CHECKING:
    from sf_actors.runtime import Run

#: How long the sockets of a service may take to open, in seconds.
OPEN_TIMEOUT_S = 30.0


class Starting:
    """Starts one run, once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._opening: Latch | None = None

    def run(self) -> None:
        """Open everything, run `init_function` and begin to read; in the caller's thread.

        :raises BaseException: what kept the service from being READY, with everything closed
        """
        run = self._run
        with run.world.scope.entered():
            try:
                try:
                    self._open()
                finally:
                    self._finish_opening()
                self._run_init()
                run.set_ready()
            except BaseException as error:
                if not (isinstance(error, ServiceStopped) and run.stopping.begun.is_set()):
                    run.blame(error)
                run.stop()
                raise
            self._tell_ready()

    def arrive(self, name: str, error: BaseException | None) -> None:
        """Take that an actor is ready, or why it cannot be; any thread."""
        opening = self._opening
        if opening is not None:
            opening.arrive(name, error)

    def _open(self) -> None:
        run = self._run
        names = run.assembly.actor_names()
        keys = run.world.transport.keys
        if keys is not None:
            names.add("authenticator")
        has_queue = run.assembly.brings_calls_that_wait()
        if has_queue:
            names.add("router")
        self._opening = Latch(names)
        Router.start(run.world)
        if has_queue:
            # now, while the system has threads
            run.world.router.begin()
        if keys is not None:
            Authenticator.start(run.world, keys)
            # before any other socket is bound
            self._opening.wait_for({"authenticator"}, OPEN_TIMEOUT_S)
        run.assembly.open_connections()
        run.assembly.start_actors()
        late = self._opening.wait(OPEN_TIMEOUT_S)
        if late:
            raise ServiceFailed(
                f"{run.world.name}: {', '.join(sorted(late))} did not open within "
                f"{OPEN_TIMEOUT_S:g} s"
            )
        run.to_send = ToSend(run.world, run.assembly.outlets, run.gate).__call__
        if not run.world.states:
            run.world.turn.always_offered = run.offered(None)
        pause_s = run.assembly.ready_at() - monotonic()
        if pause_s > 0:
            # the pause for subscribers to join (wait_after_creation_s); ended early by a stop
            run.stopping.begun.wait(pause_s)

    def _finish_opening(self) -> None:
        """Wait for actors that still open their sockets, whatever became of the others."""
        run = self._run
        if self._opening is not None:
            self._opening.wait_for(set(run.world.actors), OPEN_TIMEOUT_S)
        self._opening = None
        run.has_opened.set()

    def _run_init(self) -> None:
        run = self._run
        init = run.definition.init
        if init is None or run.stopping.begun.is_set():
            return
        call = Once(
            lambda _args, to_send, _pinned, config: init(to_send, run.world.states, config),
            label="init_function",
        )
        run.world.turn.run_here(call)
        if call.error is not None:
            raise trimmed(call.error)

    def _tell_ready(self) -> None:
        run = self._run
        addresses = {name: address for name, address, _ in run.bound_to}
        run.world.log.info("ready", addresses=addresses)
        if not run.world.transport.is_secured:
            beyond = [
                f"{name} {address}"
                for name, address, listener in run.bound_to
                if listener.is_beyond_loopback
            ]
            if beyond:
                run.world.log.warning(
                    "bound beyond loopback without keys: anybody who can reach it can use it",
                    addresses=beyond,
                )
