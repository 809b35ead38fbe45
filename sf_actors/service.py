"""`Service`: runs a service file, stops it, and can run it again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sf_actors.definition.config.model import ConfigSource
from sf_actors.definition.names import require_service_name
from sf_actors.definition.paths import filled
from sf_actors.definition.service_arguments import is_set, require_arguments
from sf_actors.definition.service_file import default_name, load
from sf_actors.definition.source import source_of
from sf_actors.errors import ServiceRunning, ServiceStopped, UsageError
from sf_actors.lifecycle.at_exit import remember
from sf_actors.lifecycle.known_addresses import KnownAddresses
from sf_actors.lifecycle.loading import Loading
from sf_actors.lifecycle.run import Run
from sf_actors.lifecycle.run_state import RunPhase
from sf_actors.lifecycle.signals import SignalHandlers
from sf_actors.lifecycle.stats import stats_before, stats_of
from sf_actors.log.scope import LogScope, scopes_of_one_service
from sf_actors.sockets.error_details import ErrorDetails, checked_details
from sf_actors.sync.event import LightEvent, set_event
from sf_actors.sync.forks import FORKS, of_parent
from sf_actors.sync.locks import new_rlock
from sf_actors.sync.seconds import longest, seconds
from sf_actors.sync.shielded import briefly_shielded
from sf_actors.user_code.tracebacks import trimmed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import FrameType, ModuleType

    from sf_actors.user_code.states_view import States
    from sf_actors.user_code.to_send import Sent


class Service:
    """One service of the process, with its own config, log, state and failure.

    Every method may be called in any thread.

    :param service_path: the path of a service file, or a module
    :param service_module: a module, instead of the path
    :param config: flat, or with `required` and `optional`
    :param addresses: ``{'connections': {'in': {name: {socket: address}}, 'out': …}, 'states': …}``
    :param console_loglevel: lowest level for standard error; None or 'NONE': no lines
    :param log_path: the log file; its folder is made
    :param file_loglevel: lowest level for the file
    :param backup_count: hourly files to keep
    :param service_loop_min_wait_time_s: least time in seconds between two serialised handler calls
    :param name: its name in the log; by default that of the file or module
    :param allow_inbound: serve inbound models in main mode too
    :param stop_timeout_s: deadline of a stop, in seconds
    :param keys: folder with the CURVE keys; without one nothing is encrypted
    :param error_details: what requesters get of a handler's error: 'full' is type and text, 'type'
        the type alone; None: 'full', but 'type' for sockets beyond loopback without keys
    :raises UsageError: an argument is invalid
    """

    def __init__(  # noqa: PLR0917 - the order of service_framework
        self,
        service_path: str | os.PathLike[str] | ModuleType | None = None,
        service_module: ModuleType | None = None,
        addresses: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | ConfigSource | None = None,
        console_loglevel: str | int | None = "INFO",
        log_path: str | os.PathLike[str] | None = None,
        file_loglevel: str | int | None = "INFO",
        backup_count: int = 24,
        service_loop_min_wait_time_s: float = 0.0,
        *,
        name: str | None = None,
        allow_inbound: bool = False,
        stop_timeout_s: float = 10.0,
        keys: str | os.PathLike[str] | None = None,
        error_details: ErrorDetails | None = None,
    ) -> None:
        require_arguments(addresses=addresses, name=name, log_path=log_path, keys=keys)
        self._source = source_of(service_path, service_module)
        self._given_addresses = addresses
        given = {} if config is None else config
        self._config = given if isinstance(given, ConfigSource) else ConfigSource(given)
        self._scope_of = scopes_of_one_service(
            console_level=console_loglevel,
            file_level=file_loglevel,
            backup_count=backup_count,
        )
        self._least_pause_s = seconds("service_loop_min_wait_time_s", service_loop_min_wait_time_s)
        self._stop_timeout_s = seconds("stop_timeout_s", stop_timeout_s)
        self._log_path = log_path
        self._name = name
        self._allow_inbound = is_set(allow_inbound=allow_inbound)
        self._keys = keys
        self._error_details = checked_details(error_details)
        self._forks = FORKS.count
        self._lock = new_rlock()
        self._run: Run | None = None
        self._started_by: Loading | None = None
        self._loading: Loading | None = None
        self._ended = set_event()
        self._is_stop_asked = False
        self._signals: SignalHandlers | None = None
        #: called once, after a stop that left user code behind; for the command line
        self.on_overdue: Callable[[], None] | None = None
        self._failure: BaseException | None = None
        self._addresses = KnownAddresses(addresses or {})
        remember(self)

    # running

    def run_service(self) -> None:
        """Serve in the background; the service is READY when this returns.

        :raises BaseException: what kept it from being READY; everything is closed again
        """
        self._start(main_mode=False)

    def run_service_as_main(self) -> None:
        """Run `main` in a thread of its own; the service is READY when this returns.

        :raises BaseException: what kept it from being READY; everything is closed again
        """
        self._start(main_mode=True, runs_main=True)

    def run_service_blocking(self) -> None:
        """Serve until the service ends; in the main thread signals stop it.

        :raises BaseException: what kept it from being READY, or made it fail
        """
        self._run_blocking(main_mode=False)

    def run_service_as_main_blocking(self) -> None:
        """Run `main` in this thread until it ends; in the main thread signals stop it.

        :raises BaseException: what kept it from being READY, an exception of main, or what made the
            service fail
        """
        self._run_blocking(main_mode=True)

    def stop_service(self) -> None:
        """Stop the service within the deadline; does nothing if it is not running.

        Called by the service's own user code, it returns at once and the stop goes on in the
        background.
        """
        if FORKS.count != self._forks:
            return
        with self._lock:
            self._is_stop_asked = True
            loading = self._loading
        if loading is not None and not loading.stop():
            self._leave_behind(loading)
        run = self._run
        if run is not None:
            run.stop()

    def begin_stop(self) -> None:
        """Begin a stop and its deadline without waiting; call `stop_service` afterwards."""
        self._require_ours("begin_stop")
        with self._lock:
            self._is_stop_asked = True
            run = self._run
        if run is not None:
            run.begin_stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the service has ended.

        :param timeout: in seconds; None waits for ever
        :returns: False if the service still runs after `timeout`; True in the child of a fork
        :raises UsageError: `timeout` is no number
        """
        longest_s = longest("wait: timeout", timeout)
        has_ended = FORKS.count != self._forks or self._ended.wait(longest_s)
        if has_ended and self._run is not None and FORKS.count == self._forks:
            self._run.join()
        return has_ended

    def connect(self, kind: str, side: str, name: str, addresses: Any) -> None:
        """Connect a model elsewhere for this run, as `('connections', 'out', 'orders', …)`.

        Calls under way are not lost; a replica starts anew.
        :param addresses: as in the addresses file: an address, a list, or by socket
        :raises UsageError: there is no such model, or it does not connect
        :raises AddressError: an address is wrong
        :raises ServiceStopped: the service does not run
        """
        self._require_ours("connect")
        if self._run is None:
            raise ServiceStopped(f"{self!r} does not run")
        self._run.connect(kind, side, name, addresses)

    def __enter__(self) -> Self:
        if not self.is_running:
            self.run_service()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_service()

    # looking

    @property
    def is_running(self) -> bool:
        """True from the start of a run to its end."""
        return FORKS.count == self._forks and not self._ended.is_set()

    @property
    def failure(self) -> BaseException | None:
        """The exception that made the last run fail, or None."""
        return self._failure if self._run is None else self._run.state.failure

    @property
    def was_ready(self) -> bool:
        """True if the current or last run was READY at some time."""
        return self._run is not None and self._run.state.was_ready

    @property
    def addresses(self) -> dict[str, Any]:
        """The given addresses, with the actual ports in place of port 0."""
        return self._addresses.as_dict()

    @property
    def to_send(self) -> Callable[..., Sent]:
        """The `to_send` of the service's user code, for use while the service runs; any thread.

        :raises UsageError: it has not run yet, or was made before a fork
        """
        return self._begun("to_send").state.to_send_with_all()

    @property
    def states(self) -> States:
        """The live states of the current or last run; errors as of `to_send`."""
        return self._begun("states").state.run_context.states

    def stats(self) -> dict[str, Any]:
        """Return the numbers of the current or last run, ready for JSON.

        :raises UsageError: in the child of a fork
        """
        self._require_ours("stats")
        if self._run is not None:
            return stats_of(self._run.state)
        return stats_before(self._name or default_name(self._source), is_loading=self.is_running)

    def __repr__(self) -> str:
        phase = "not started" if self._run is None else self._run.state.phase
        return f"<Service {self._name or self._source}: {phase}>"

    # within

    def _begun(self, what: str) -> Run:
        self._require_ours(what)
        if self._run is None:
            raise UsageError(f"{what}: {self!r} has not run yet; start it first")
        return self._run

    def _require_ours(self, what: str) -> None:
        if FORKS.count != self._forks:
            raise of_parent(what)

    def _run_blocking(self, *, main_mode: bool) -> None:
        with SignalHandlers(self.stop_by_signal) as self._signals:
            try:
                run = self._start(main_mode=main_mode)
            except ServiceStopped:
                if self.failure is None and self._is_stop_asked:
                    return
                raise
            if main_mode:
                run.run_main()
            run.wait(None)
        if run.state.failure is not None:
            raise run.state.failure

    def _start(self, *, main_mode: bool, runs_main: bool = False) -> Run:
        loading = Loading(stop_timeout_s=self._stop_timeout_s, nudge=self._nudge)
        try:
            self._begin(loading)
            run = loading.run(partial(self._load, loading, main_mode=main_mode))
            run.start()
            if runs_main:
                briefly_shielded(run.start_main)
        except BaseException as error:
            if self._started_by is loading:
                self._end_start(loading, error)
            raise
        return run

    def _end_start(self, loading: Loading, error: BaseException) -> None:
        """Clean up after a start that an exception has ended, wherever it was raised."""
        with self._lock:
            self._loading = None
            if not (self._is_stop_asked and isinstance(error, ServiceStopped)):
                self._failure = self._failure or error
            run = self._run
        loading.leave(None if run is None else run.give_up)
        self._ended.set()
        trimmed(error)

    def _keep(self, run: Run) -> Run:
        with self._lock:
            self._run = run
            self._loading = None
            run.state.failure = self._failure
            is_stop_asked = self._is_stop_asked
        if is_stop_asked:
            run.begin_stop()
        return run

    def _begin(self, loading: Loading) -> None:
        self._require_ours("run_service")
        with self._lock:
            if self.is_running:
                raise ServiceRunning(f"{self!r} runs already; stop it first, or make another")
            self._started_by = self._loading = loading
            self._ended = LightEvent()
            self._is_stop_asked = False
            self._failure = None
            self._run = None

    def _load(self, loading: Loading, *, main_mode: bool) -> Run:
        """Execute the file, run its setup hooks, make the run; in the context that calls copy."""
        name = self._name or default_name(self._source)
        path = self._log_path and filled(self._log_path, name, where="log_path")
        scope = briefly_shielded(partial(self._scope_of, name, log_path=path), LogScope.close)
        try:
            scope.adopt()
            loading.enter(name, self, self._source)
            file = load(self._source, blocking=loading.event_loop.blocking)
            try:
                definition = file.prepare(
                    self._config,
                    self._given_addresses or {},
                    main_mode=main_mode,
                    allow_inbound=self._allow_inbound,
                )
                require_service_name(name, where="the service's name")
                keys = None
                if self._keys is not None:
                    from sf_actors.sockets.keys import load as load_keys  # noqa: PLC0415 - seldom used

                    keys = load_keys(self._keys)
                self._addresses = KnownAddresses(definition.given_addresses)
                make = partial(
                    Run,
                    definition,
                    scope,
                    name=name,
                    stop_timeout_s=self._stop_timeout_s,
                    contexts=loading.contexts,
                    event_loop=loading.event_loop,
                    least_pause_s=self._least_pause_s,
                    keys=keys,
                    error_details=self._error_details,
                    ended=self._ended,
                    on_bound=self._addresses.note,
                    on_end=partial(loading.leave, file.unload),
                    on_overdue=self._call_on_overdue,
                    nudge=self._nudge,
                )
                return briefly_shielded(lambda: loading.note(self._keep(make())))
            except BaseException:
                file.unload()
                raise
        except BaseException:
            scope.close()
            raise

    def _leave_behind(self, loading: Loading) -> None:
        """Note that the service file could not be interrupted within the deadline."""
        overdue = loading.overdue(self._name or default_name(self._source))
        with self._lock:
            self._failure = self._failure or overdue
        self._call_on_overdue()

    def _call_on_overdue(self) -> None:
        with self._lock:
            on_overdue, self.on_overdue = self.on_overdue or (lambda: None), None
        on_overdue()

    def _nudge(self) -> None:
        if self._signals is not None:
            self._signals.nudge()

    def stop_by_signal(self, signum: int, frame: FrameType | None) -> None:
        """Run the hook of a signal, then stop; for a program that handles signals itself."""
        self._require_ours("stop_by_signal")
        with self._lock:
            self._is_stop_asked = True
            run = self._run
        if run is not None and run.state.phase in (RunPhase.STARTING, RunPhase.READY):
            run.stop_by_signal(signum, frame)
        self.stop_service()
