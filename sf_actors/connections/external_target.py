"""The external target: any callable, with its arguments and result checked."""

from __future__ import annotations

import contextvars
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from sf_actors.actors.taps import RequestNote
from sf_actors.counters import Counters
from sf_actors.errors import InvalidArguments, RequestTimeout, ServiceStopped
from sf_actors.log import WORKFLOW_ID
from sf_actors.sync.locks import new_lock
from sf_actors.wire.envelope import encode_reply, encode_request
from sf_actors.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Tap
    from sf_actors.definition.models import Model


class DeadlinePassed(Exception):
    """Our own deadline has passed, as opposed to a RequestTimeout raised by the target itself."""


class Outcome:
    """The outcome of a call that runs in its own thread.

    :ivar done: set when the call has ended, or when its caller must give up
    :ivar is_over: the call has ended
    """

    def __init__(self) -> None:
        self.done = threading.Event()
        self.is_over = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, target: Callable[..., Any], args: dict[str, Any]) -> None:
        """Call the target and keep its result or exception for the caller."""
        try:
            self.result = target(**args)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self.error = error
        finally:
            self.is_over = True
            self.done.set()


class TappedCall:
    """A call whose request and outcome are copied to taps.

    :param taps: the taps that get the copy
    :param args: the arguments, as they would travel
    """

    def __init__(self, taps: tuple[Tap, ...], args: dict[str, Any], workflow_id: object) -> None:
        self._taps = taps
        self._workflow_id = workflow_id
        self._began_at = monotonic()
        self._request = self._packed(encode_request, args)

    def note(self, outcome: dict[str, Any] | BaseException) -> None:
        """Copy the outcome to the taps: the result, or an error."""
        reply, error = None, None
        if isinstance(outcome, BaseException):
            error = type(outcome).__name__, text_of(outcome)
        else:
            reply = self._packed(encode_reply, outcome)
        took_s = monotonic() - self._began_at
        for tap in self._taps:
            if self._request is None or (reply is None and error is None):
                tap.leave_out(1)
            else:
                tap.add(RequestNote(self._request, reply, took_s, error))

    def _packed(self, pack: Callable[..., bytes], fields: dict[str, Any]) -> bytes | None:
        """Return fields as they would travel; None if they could not."""
        try:
            return pack(fields, self._workflow_id)
        except InvalidArguments:
            return None


class ExternalTarget:
    """Calls the target in the caller's thread, or with a deadline in a thread of its own."""

    def __init__(self, run_context: RunContext, model: Model) -> None:
        self.model = model
        self.counters = Counters("sent", "handled", "failed", "timeouts", "last_error")
        self._run_context = run_context
        self._target: Callable[..., Any] = model.creation["target"]
        self._timeout_s: float | None = model.creation["timeout_s"]
        self._count_lock = new_lock()
        self._waited_for: set[Outcome] = set()
        #: they get a copy of each call
        self.taps: tuple[Tap, ...] = ()
        run_context.closing.call(self._give_up)

    def send(self, args: Any, workflow_id: object) -> Any:
        """Check the arguments, call the target by keyword, check the result; any thread.

        :raises InvalidArguments: the arguments or the result fail the model
        :raises RequestTimeout: the target still runs after `timeout_s`; it is not stopped
        :raises ServiceStopped: our own service stops while a target with `timeout_s` runs
        :raises BaseException: an exception of the target, as it is
        """
        arguments = self.model.arguments
        plain = arguments.checked(args)
        checked = arguments.with_instances(plain, is_whole=False)
        # before the call, since the target may change its arguments
        tapped = TappedCall(self.taps, plain, workflow_id) if self.taps else None
        with self._count_lock:
            self.counters.sent += 1
        begins_here = WORKFLOW_ID.get() is None
        try:
            if begins_here:
                WORKFLOW_ID.set(workflow_id)
            if self._timeout_s is None:
                result = self._run_context.interrupt_guard.call_outside(self._target, checked)
            else:
                result = self._call_in_time(checked, self._timeout_s)
            returned = self.model.return_arguments
            result = returned.checked(result)
            reply = returned.with_instances(result)
        except DeadlinePassed as error:
            with self._count_lock:
                self.counters.timeouts += 1
            overdue = RequestTimeout(str(error))
            if tapped is not None:
                tapped.note(overdue)
            raise overdue from None
        except BaseException as error:
            with self._count_lock:
                self.counters.fail(error)
            if tapped is not None:
                tapped.note(error)
            raise
        finally:
            if begins_here:
                # no token: it could be lost if a signal's handler raises
                WORKFLOW_ID.set(None)
        with self._count_lock:
            self.counters.handled += 1
        if tapped is not None:
            tapped.note(result)
        return reply

    def set_taps(self, taps: tuple[Tap, ...], _new: Tap | None) -> None:
        """Copy calls to these taps from now on; any thread."""
        self.taps = taps

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002
        """Do nothing: there is no socket."""
        return True

    def _give_up(self) -> None:
        """Wake all waiting callers; in the thread of the stop, after `closing` is set."""
        for outcome in self._waited_for.copy():
            outcome.done.set()

    def _call_in_time(self, args: dict[str, Any], timeout_s: float) -> Any:
        outcome = Outcome()
        self._waited_for.add(outcome)
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(outcome.run, self._target, args),
            name=f"{self._run_context.name}/{self.model.name}",
            daemon=True,
        )
        try:
            thread.start()
            if not self._run_context.closing.is_set():
                outcome.done.wait(timeout_s)
        finally:
            self._waited_for.discard(outcome)
        if not outcome.is_over:
            where = self.model.where
            if self._run_context.closing.is_set():
                raise ServiceStopped(f"{where}: the service stops, its target is not waited for")
            raise DeadlinePassed(
                f"{where}: the target has not returned within {timeout_s:g} s; it runs on in a "
                "thread of its own"
            )
        if outcome.error is not None:
            raise outcome.error
        return outcome.result
