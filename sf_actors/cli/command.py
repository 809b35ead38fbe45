"""Runs one service from its command line, and turns its end into an exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sf_actors.cli.arguments import Arguments, DemoArguments, KeysArguments, parse
from sf_actors.cli.collector import COLLECTOR
from sf_actors.cli.descriptors import raise_descriptor_limit as _raise_descriptor_limit
from sf_actors.cli.flags import LONG_NAMES
from sf_actors.cli.streams import open_missing_streams, status_without
from sf_actors.cli.tokens import shown_command
from sf_actors.errors import ServiceFailed, ServiceStopped, StopOverdue, UsageError, UserError
from sf_actors.inspection.presence import PRESENCE
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.log.console import CONSOLE, write_to_console
from sf_actors.log.line import bare_line
from sf_actors.log.standard_library import STANDARD_LIBRARY
from sf_actors.log.tracebacks import whole_traceback
from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left
from sf_actors.user_code.tracebacks import passed_user_code, trimmed
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.definition.config.model import ConfigSource
    from sf_actors.service import Service

#: The environment variable with systemd's socket for a unit of `Type=notify`.
SYSTEMD = "NOTIFY_SOCKET"

#: Exit status of a service that failed while it ran, and of one that could not start.
FAILED, NOT_READY = 1, 2


#: How long threads of user code may keep the process alive before a warning, in seconds.
STAYING_S = 1.0

#: How long the main thread may remain in user code after the stop, in seconds.
LEAVING_S = 1.0


def run() -> None:
    """Run the command line of this process and exit; the entry point of the console script."""
    open_missing_streams()
    PRESENCE.is_wanted = True
    RESIDENTS.command = partial(shown_command, sys.argv[1:])
    try:
        status = main(sys.argv[1:])
    except OSError as error:
        # of the help or the like: a service makes a status of its own
        status = status_without(error)
    except KeyboardInterrupt:
        # Ctrl-C came before there was a service to stop
        status = 128 + signal.SIGINT
    sys.stdout.flush()
    if _staying():
        _in_background(_warn_who_stays)
    sys.exit(status)


def _staying() -> list[threading.Thread]:
    """Return the non-daemon threads that keep the process from ending."""
    here = threading.main_thread()
    return [one for one in threading.enumerate() if one is not here and not one.daemon]


def _warn_who_stays() -> None:
    """Warn of threads that keep the process alive: it would look hung."""
    threading.Event().wait(STAYING_S)
    if names := [one.name for one in _staying()]:
        event = "the process waits for threads of user code to end"
        write_to_console(bare_line("warning", None, event, threads=names), None)


def main(argv: Sequence[str]) -> int:
    """Run a command line that is not a verb.

    :param argv: without the program's name
    :returns: the exit status: 0, 1 if the service failed, 2 if it could not start
    """
    try:
        arguments = parse(argv)
        if isinstance(arguments, KeysArguments):
            return _write_keys(arguments)
        if isinstance(arguments, DemoArguments):
            from sf_actors.demo.market import show  # noqa: PLC0415 - not needed to run a service

            COLLECTOR.resume()
            return show(arguments.seconds)
        if arguments.reload:
            return _reload(argv, arguments)
        service = _service(arguments)
    except UserError as error:
        return _report(error)
    if SYSTEMD in os.environ:
        from sf_actors.cli.notify_socket import notify_systemd  # noqa: PLC0415 - under systemd alone

        notify_systemd()
    return run_service(service, arguments)


def _write_keys(arguments: KeysArguments) -> int:
    from sf_actors.sockets.keys import new_pair  # noqa: PLC0415 - not needed to run a service

    for path in new_pair(arguments.name, arguments.dir):
        print(path)  # noqa: T201 - the command's output
    return 0


def _reload(argv: Sequence[str], arguments: Arguments) -> int:
    try:
        from sf_actors.cli.reload import supervise  # noqa: PLC0415 - seldom used
    except ImportError:
        raise UsageError("--reload needs the extra cli: pip install 'sf_actors[cli]'") from None
    COLLECTOR.resume()
    return supervise(argv, arguments)


def given_to(arguments: Arguments) -> tuple[ConfigSource, dict[str, Any] | None]:
    """Read the config and the addresses that the arguments name.

    :raises UserError: a file cannot be read or has wrong content
    """
    from sf_actors.definition.addresses import read_addresses_file  # noqa: PLC0415 - after --help is answered
    from sf_actors.definition.config.model import ConfigSource, read_config_file  # noqa: PLC0415

    config = ConfigSource({}, arguments.extras, flags=LONG_NAMES)
    if arguments.config_path:
        given = read_config_file(arguments.config_path)
        config = replace(config, given=given, where=arguments.config_path)
    addresses = read_addresses_file(arguments.addresses_path) if arguments.addresses_path else None
    return config, addresses


def _service(arguments: Arguments) -> Service:
    from sf_actors.service import Service  # noqa: PLC0415 - after --help is answered

    COLLECTOR.resume()
    config, addresses = given_to(arguments)
    return Service(
        arguments.service_path,
        addresses=addresses,
        config=config,
        console_loglevel=arguments.console_loglevel,
        log_path=arguments.log_path,
        file_loglevel=arguments.file_loglevel,
        backup_count=arguments.backup_count,
        service_loop_min_wait_time_s=arguments.service_loop_min_wait_time_s,
        name=arguments.name,
        allow_inbound=arguments.allow_inbound,
        stop_timeout_s=arguments.stop_timeout_s,
        keys=arguments.keys,
        error_details=arguments.error_details,
    )


def run_service(service: Service, arguments: Arguments) -> int:
    """Run a service until it ends; in the main thread.

    :param arguments: for the mode and the inspection of the service; the rest is in `service`
    :returns: the exit status
    """
    _raise_descriptor_limit()
    has_returned = threading.Event()
    service.on_overdue = partial(_in_background, partial(_exit_when_stuck, service, has_returned))
    try:
        with STANDARD_LIBRARY.owning_process(), ExitStack() as ending:
            _listen(arguments, ending)
            if arguments.inspect is not None:
                name = service.stats()["service"]
                PRESENCE.listen_too(name, arguments.inspect, arguments.keys)
            if arguments.main_mode:
                service.run_service_as_main_blocking()
            else:
                service.run_service_blocking()
    except BaseException as error:  # noqa: BLE001 - every end becomes an exit status
        if isinstance(error, KeyboardInterrupt) and not passed_user_code(error):
            # Ctrl-C came before there was a service to stop, or once more after its end
            return 128 + signal.SIGINT
        return _status(service, error)
    finally:
        has_returned.set()
    return 0


def _listen(arguments: Arguments, ending: ExitStack) -> None:
    """Start the HTTP server if `--http` was given.

    :param ending: the stack that closes it
    :raises UserError: it cannot be started
    """
    if arguments.http is None:
        return
    from sf_actors.inspection.http.health import require_states  # noqa: PLC0415 - seldom used
    from sf_actors.inspection.http.server import http  # noqa: PLC0415
    from sf_actors.lifecycle.residents import STUCK_AFTER_S  # noqa: PLC0415

    needs = arguments.ready_needs or ()
    stuck_after_s = STUCK_AFTER_S if arguments.stuck_after is None else arguments.stuck_after
    hosts = arguments.http_host or ()
    server = http(arguments.http, hosts=hosts, stuck_after_s=stuck_after_s, ready_needs=needs)
    ending.callback(server.close)
    RESIDENTS.on_loaded = lambda resident: require_states(resident, needs)
    ending.callback(setattr, RESIDENTS, "on_loaded", None)


def _exit_when_stuck(service: Service, has_returned: threading.Event) -> None:
    """End the process if the main thread is stuck in user code that cannot be interrupted."""
    if has_returned.wait(LEAVING_S):
        return
    if service.failure is not None:
        _report(service.failure)
    # the stuck code may hold the stream's lock too
    _in_background(sys.stdout.flush, wait_s=LEAVING_S)
    os._exit(FAILED)


def _in_background(function: Callable[[], None], *, wait_s: float = 0.0) -> None:
    """Run a function in a thread, or in this one if no thread can be started."""
    thread = threading.Thread(target=function, name="exit", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        function()
    else:
        thread.join(wait_s)


def _status(service: Service, error: BaseException) -> int:
    was_ready = service.was_ready
    if was_ready and isinstance(error, SystemExit):
        if isinstance(error.code, int):
            return error.code
        if error.code is not None:
            _print(str(error.code))
        return FAILED
    if is_no_thread_left(error) and not passed_user_code(error):
        error = no_thread_left(service.stats()["service"])
    print_failure(error)
    return FAILED if was_ready or isinstance(error, StopOverdue) else NOT_READY


def print_failure(error: BaseException) -> None:
    """Print a user error in one line, an error in user code with its traceback."""
    if isinstance(error, ServiceFailed | ServiceStopped) or (
        isinstance(error, UserError) and not passed_user_code(error)
    ):
        _report(error)
    else:
        error = trimmed(error)
        _print(whole_traceback((type(error), error, error.__traceback__)))


def _report(error: BaseException) -> int:
    """Print an error in one line."""
    _print(f"sf_actors: {error}")
    return NOT_READY


def _print(message: str) -> None:
    """Print an error; control characters, for instance of a file name, are escaped."""
    lines = "\n".join(map(escaped, message.split("\n")))
    CONSOLE.write_last(lines)
