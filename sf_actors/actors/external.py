"""The external target: a callable outside the package, with its arguments and reply checked."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

from sf_actors.counters import Counters, summary
from sf_actors.errors import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.actors.world import World
    from sf_actors.definition.models import Model


class Overdue(Exception):
    """Our own deadline has passed; a RequestTimeout may also be what the target itself raised."""


class Outcome:
    """What a call that runs in a thread of its own came to."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, target: Callable[..., Any], args: dict[str, Any]) -> None:
        """Call the target; what it raises is kept for the caller."""
        try:
            self.result = target(**args)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.error = error
        finally:
            self.done.set()


class ExternalTarget:
    """Calls the target in the caller's thread, or with a deadline in a thread of its own."""

    def __init__(self, world: World, model: Model) -> None:
        self.model = model
        self.counters = Counters("sent", "handled", "failed", "timeouts", "last_error")
        self._world = world
        self._target: Callable[..., Any] = model.creation["target"]
        self._timeout_s: float | None = model.creation["timeout_s"]
        self._count_lock = threading.Lock()

    def send(self, args: Any, workflow_id: object) -> dict[str, Any]:  # noqa: ARG002
        """Check the arguments, call the target by keyword, check what it returns; any thread.

        :raises InvalidArguments: the arguments or the result fail the model
        :raises RequestTimeout: the target still runs after `timeout_s`; it runs on
        :raises BaseException: what the target raised, as it is
        """
        checked = self.model.arguments.checked(args)
        with self._count_lock:
            self.counters.sent += 1
        try:
            if self._timeout_s is None:
                result = self._target(**checked)
            else:
                result = self._call_in_time(checked, self._timeout_s)
            reply = self.model.return_arguments.checked(result)
        except Overdue as error:
            timeout = RequestTimeout(str(error))
            with self._count_lock:
                self.counters.timeouts += 1
                self.counters.last_error = summary(timeout)
            raise timeout from None
        except BaseException as error:
            with self._count_lock:
                self.counters.fail(error)
            raise
        with self._count_lock:
            self.counters.handled += 1
        return reply

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002
        """Close nothing: there is no socket."""
        return True

    def _call_in_time(self, args: dict[str, Any], timeout_s: float) -> Any:
        outcome = Outcome()
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(outcome.run, self._target, args),
            name=f"{self._world.name}/{self.model.name}",
            daemon=True,
        )
        thread.start()
        if not outcome.done.wait(timeout_s):
            raise Overdue(
                f"{self.model.where}: the target has not returned within {timeout_s:g} s; it runs "
                "on in a thread of its own"
            )
        if outcome.error is not None:
            raise outcome.error
        return outcome.result
