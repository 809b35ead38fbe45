"""`Service`: a service file that can be run, stopped, and run again."""

from __future__ import annotations

import atexit
import copy
import os
import threading
import weakref
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sf_actors.config.model import ConfigSource
from sf_actors.definition.service_file import default_name, load
from sf_actors.errors import ServiceRunning, ServiceStopped, UsageError
from sf_actors.log import LogScope
from sf_actors.runtime import Phase, Run
from sf_actors.signals import SignalHandlers

if TYPE_CHECKING:
    from types import FrameType, ModuleType, TracebackType

    from sf_actors.definition.models import Model

_services: weakref.WeakSet[Service] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Stop what runs when the process ends; all at once, each within its own deadline."""
    running = [service for service in _services if service.is_running]
    threads = [threading.Thread(target=service.stop_service) for service in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Service:
    """One service: its own config, log, state and failure, whatever else the process does.

    Every method may be called in any thread.

    :param service_path: the path of a service file, or a module
    :param service_module: a module, instead of the path
    :param config: flat, or with `required` and `optional`
    :param addresses: ``{'connections': {'in': {name: {socket: address}}, 'out': …}, 'states': …}``
    :param console_loglevel: what goes to standard error; None or 'NONE': nothing
    :param log_path: the log file; its folder is made
    :param file_loglevel: what goes to the file
    :param backup_count: hourly files that are kept
    :param service_loop_min_wait_time_s: least time between two handler calls, in seconds
    :param name: as it stands in the log; by default that of the file or module
    :param allow_inbound: serve inbound models in main mode as well
    :param stop_timeout_s: deadline of a stop, in seconds
    :param keys: folder with the CURVE keys; without one nothing is encrypted
    :raises UsageError: an argument is none of these
    """

    def __init__(
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
    ) -> None:
        source = service_module if service_path is None else service_path
        if source is None or (service_path is not None and service_module is not None):
            raise UsageError("Service: expected service_path or service_module, one of them")
        self._source = source
        self._given_addresses = addresses
        self._config = config if isinstance(config, ConfigSource) else ConfigSource(config or {})
        self._scope_of = partial(
            LogScope,
            console_level=console_loglevel,
            log_path=log_path,
            file_level=file_loglevel,
            backup_count=backup_count,
        )
        self._least_pause_s = _seconds("service_loop_min_wait_time_s", service_loop_min_wait_time_s)
        self._stop_timeout_s = _seconds("stop_timeout_s", stop_timeout_s)
        self._name = name
        self._allow_inbound = allow_inbound
        self._keys = keys
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._is_loading = False
        self._is_stop_asked = False
        self._failure: BaseException | None = None
        self._addresses = _copied(addresses)
        _services.add(self)

    # running

    def run_service(self) -> None:
        """Serve in the background; the service is READY when this returns.

        :raises BaseException: what kept it from being READY, with everything closed again
        """
        self._start(main_mode=False)

    def run_service_as_main(self) -> None:
        """Run `main` in a thread of its own; the service is READY when this returns.

        :raises BaseException: what kept it from being READY, with everything closed again
        """
        run = self._start(main_mode=True)
        threading.Thread(target=run.run_main, name=f"{run.world.name}/main", daemon=True).start()

    def run_service_blocking(self) -> None:
        """Serve until the service ends; in the main thread signals stop it.

        :raises BaseException: what kept it from being READY, or made it fail
        """
        with SignalHandlers(self._stop_by_signal):
            run = self._start(main_mode=False)
            run.ended.wait()
        if run.failure is not None:
            raise run.failure

    def run_service_as_main_blocking(self) -> None:
        """Run `main` in this thread until it ends; in the main thread signals stop it.

        :raises BaseException: what kept it from being READY, what main raised, or what made the
            service fail
        """
        with SignalHandlers(self._stop_by_signal):
            run = self._start(main_mode=True)
            run.run_main()
            run.ended.wait()
        if run.failure is not None:
            raise run.failure

    def stop_service(self) -> None:
        """Stop, within the deadline; does nothing when the service does not run.

        In the service's own user code it returns at once, and the service stops behind it.
        """
        with self._lock:
            self._is_stop_asked = True
            run = self._run
        if run is not None:
            run.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the service has ended.

        :param timeout: in seconds; None: for ever
        :returns: False when the time is over and the service still runs
        """
        run = self._run
        return run is None or run.ended.wait(timeout)

    def __enter__(self) -> Service:
        if not self.is_running:
            self.run_service()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_service()

    # looking

    @property
    def is_running(self) -> bool:
        """Whether a run has begun and not ended."""
        run = self._run
        return self._is_loading or (run is not None and not run.ended.is_set())

    @property
    def failure(self) -> BaseException | None:
        """What made the last run fail, or None."""
        run = self._run
        return self._failure if run is None else run.failure

    @property
    def was_ready(self) -> bool:
        """Whether the current or last run got as far as READY."""
        run = self._run
        return run is not None and run.was_ready

    @property
    def addresses(self) -> dict[str, Any]:
        """The addresses as they were given, with the ports that were taken for port 0."""
        return _copied(self._addresses)

    def stats(self) -> dict[str, Any]:
        """Return the numbers of the current or last run, ready for JSON."""
        run = self._run
        if run is not None:
            return run.stats()
        return {"service": self._name, "phase": "NOT_STARTED", "uptime_s": 0.0}

    def __repr__(self) -> str:
        phase = "not started" if self._run is None else self._run.phase
        return f"<Service {self._name or self._source}: {phase}>"

    # within

    def _start(self, *, main_mode: bool) -> Run:
        self._begin()
        try:
            run = self._load(main_mode=main_mode)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._is_loading = False
        run.start()
        return run

    def _begin(self) -> None:
        if os.getpid() != self._pid:
            raise UsageError(
                "this Service was made before a fork: its sockets and threads are the parent's; "
                "make it in the child"
            )
        with self._lock:
            if self.is_running:
                raise ServiceRunning(f"{self!r} runs already; stop it first, or make another")
            self._is_loading = True
            self._is_stop_asked = False
            self._failure = None
            self._run = None

    def _load(self, *, main_mode: bool) -> Run:
        """Execute the file, run its setup hooks, and make the run."""
        source = self._source
        scope = self._scope_of(self._name or default_name(source))
        try:
            with scope.entered():
                file = load(source)
                try:
                    definition = file.prepare(
                        self._config,
                        self._given_addresses or {},
                        main_mode=main_mode,
                        allow_inbound=self._allow_inbound,
                    )
                    keys = None
                    if self._keys is not None:
                        from sf_actors.keys import load as load_keys  # noqa: PLC0415 - seldom used

                        keys = load_keys(self._keys)
                    run = Run(
                        definition,
                        scope,
                        name=self._name or file.name,
                        stop_timeout_s=self._stop_timeout_s,
                        least_pause_s=self._least_pause_s,
                        keys=keys,
                        on_bound=self._note_bound,
                        on_end=file.unload,
                    )
                except BaseException:
                    file.unload()
                    raise
        except BaseException:
            scope.close()
            raise
        with self._lock:
            self._addresses = _copied(self._given_addresses)
            self._run = run
            if self._is_stop_asked:
                run.stop()
                raise ServiceStopped(f"{run.world.name}: stopped before it was ready")
        return run

    def _note_bound(self, model: Model, socket: str, address: str) -> None:
        with self._lock:
            side = self._addresses.setdefault(model.kind, {}).setdefault(model.side, {})
            entry = side.get(model.name)
            if isinstance(entry, str):
                side[model.name] = address
            elif isinstance(entry, dict) and socket not in entry and len(model.sockets) == 1:
                side[model.name] = dict.fromkeys(entry, address)
            else:
                side[model.name] = {**(entry or {}), socket: address}

    def _stop_by_signal(self, signum: int, frame: FrameType | None) -> None:
        run = self._run
        if run is not None and run.phase in (Phase.STARTING, Phase.READY):
            run.stop_by_signal(signum, frame)
        self.stop_service()


def _seconds(name: str, value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < threading.TIMEOUT_MAX:  # type: ignore[operator]
        raise UsageError(f"Service: {name}: expected seconds, 0 or more, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def _copied(addresses: Mapping[str, Any] | None) -> dict[str, Any]:
    return copy.deepcopy(dict(addresses or {}))
