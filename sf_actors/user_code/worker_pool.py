"""The worker threads of one model, which run several of its handler calls at once.

They run beside all other user code, and start and end with the run. Calls run as they do elsewhere:
in a copy of the service's context, with pinned states, and open to an interrupt by the stop.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import ServiceFailed
from sf_actors.sync.locks import new_lock
from sf_actors.user_code.call_order import NO_KEY, CallOrder
from sf_actors.user_code.interruptible import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sf_actors.user_code.call import Call
    from sf_actors.user_code.call_runner import CallRunner
    from sf_actors.user_code.interruptible import UserCode


#: The key of all calls whose own key cannot be computed: they stay in order, as their keys may be
#: equal.
_KEYLESS: Final = object()


class WorkerPool:
    """Runs the calls of one model, as many at once as there are threads; any thread may call.

    :param name: the prefix of the threads' names
    :param where: file and model, for messages
    :param size: the number of threads
    :param beside: the runner of all other user code, whose settings apply here too
    :param key_of: returns the key of a handler's args; calls with equal keys stay in order. None:
        no order
    :param adopt: assigns a new thread to the service
    :param on_fault: called with the error when a fault of the package has cost a call
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        where: str,
        beside: CallRunner,
        key_of: Callable[[Any], Hashable] | None,
        adopt: Callable[[], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self.size = size
        #: held while a call is counted or ordered, never while one runs
        self.lock = new_lock()
        self._name = name
        self.where = where
        self._key_of = key_of
        self._adopt = adopt
        self._on_fault = on_fault
        self._order: CallOrder[Call] = CallOrder()
        self._may_run = threading.Condition(self.lock)
        self._is_idle = threading.Condition(self.lock)
        self._runners = [beside.beside(self.lock) for _ in range(size)]
        self._threads: list[threading.Thread] = []
        #: the ids of the threads that are stuck in user code
        self._left_behind: set[int] = set()
        #: set once no call may begin any more
        self._is_closed = False
        self._has_ended = False

    def start(self) -> None:
        """Start the threads.

        :raises ServiceFailed: the system has not enough threads
        """
        for number, runner in enumerate(self._runners, 1):
            thread = threading.Thread(
                target=self._work, args=(runner,), name=f"{self._name}/{number}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                raise ServiceFailed(
                    f"{self.where}: expected {self.size} threads for 'workers', got "
                    f"{len(self._threads)}: {error}; ask for fewer, or allow the process more"
                ) from error
            self._threads.append(thread)

    def enqueue(self, call: Call) -> None:
        """Run a call as soon as a thread is free and the calls before it in its line are over."""
        key = NO_KEY if self._key_of is None else _key(self._key_of, call.args)
        with self.lock:
            if self._is_closed:
                call.cancel()
            elif self._order.add(call, key):
                self._may_run.notify()

    def runs_here(self) -> bool:
        """Return True if the calling thread is one of the workers."""
        return threading.current_thread() in self._threads

    # the stop

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no call waits or runs.

        :returns: False if one still does after `timeout_s`
        """
        with self.lock:
            return self._is_idle.wait_for(self._has_nothing, timeout_s)

    def interrupt(self) -> None:
        """Raise `ServiceStopped` in all user code that runs here."""
        for runner in self._runners:
            runner.user_code.interrupt()

    @property
    def places(self) -> list[UserCode]:
        """The places of its user code, one for each thread."""
        return [runner.user_code for runner in self._runners]

    @property
    def running(self) -> list[str]:
        """The labels of the running calls, for messages."""
        labels = [runner.user_code.label for runner in self._runners]
        return [label for label in labels if label is not None]

    def cancel_queued(self) -> None:
        """Cancel all waiting calls and all later ones."""
        with self.lock:
            self._is_closed = True
            for call in self._order.take_all():
                call.cancel()

    def leave_behind(self) -> None:
        """Give up the running calls: their threads end if the handlers ever return."""
        for runner in self._runners:
            with self.lock:
                thread_id = runner.leave_behind()
            if thread_id is not None:
                self._left_behind.add(thread_id)

    def end(self, deadline: float) -> list[str]:
        """Let the threads end, and wait for them, except for those left behind.

        :param deadline: in seconds of `time.monotonic`
        :returns: the names of those that have still not ended
        """
        with self.lock:
            self._has_ended = True
            self._may_run.notify_all()
        awaited = [thread for thread in self._threads if thread.ident not in self._left_behind]
        for thread in awaited:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - monotonic()))
        return [thread.name for thread in awaited if thread.is_alive()]

    # the threads

    def _work(self, runner: CallRunner) -> None:
        self._adopt()
        while (taken := self._next()) is not None:
            try:
                self._run(runner, *taken)
            except LeftBehind:
                return
            except BaseException as error:  # noqa: BLE001 - the call is lost, not the thread
                self._on_fault(error)
            # what waits for the next one keeps nothing of this one
            del taken

    def _next(self) -> tuple[Call, Hashable] | None:
        """Wait for the next call; None: the thread must end."""
        with self.lock:
            while (taken := self._order.take()) is None:
                if self._has_ended:
                    return None
                self._may_run.wait()
            return taken

    def _run(self, runner: CallRunner, call: Call, key: Hashable) -> None:
        is_settled = False
        try:
            if call.is_worth_it():
                runner.run(call)
        except LeftBehind:
            # the stop has settled the call
            is_settled = True
            raise
        finally:
            with self.lock:
                try:
                    if not is_settled:
                        call.settle()
                finally:
                    self._order.end(key)
                    if self._has_nothing():
                        self._is_idle.notify_all()

    def _has_nothing(self) -> bool:
        return not self._order and not self._order.running


def _key(key_of: Callable[[Any], Hashable], args: Any) -> Hashable:
    try:
        key = key_of(args)
        hash(key)
    except Exception:  # noqa: BLE001 - a signalling NaN, or a user's class
        return _KEYLESS
    return key
