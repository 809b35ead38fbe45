"""A child of `up`: one instance of a fleet, in a process of its own.

It inherits a channel over which `up` says what to run. When the other side of the channel closes,
`up` has died: the instance stops and exits.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.collector import COLLECTOR
from sf_actors.cli.file_stamps import stamps_of
from sf_actors.cli.streams import open_missing_streams
from sf_actors.errors import UserError
from sf_actors.fleet.channel import messages, receive_block, send
from sf_actors.fleet.signals import SIGNALS
from sf_actors.fleet.task import unpacked

if TYPE_CHECKING:
    from sf_actors.fleet.task import Task
    from sf_actors.service import Service

#: How long the stop may take when `up` is gone, and the process's exit after it, in seconds.
ORPHANED_S: Final = 4.0
LEAVING_S: Final = 0.5


def main(channel_fd: int, held_fd: int) -> int:
    """Run the task that comes over the channel until it ends.

    :param channel_fd: the socket to `up`
    :param held_fd: held open to show that a process of the fleet is still there
    :returns: the exit status, as of `sf_actors -s`
    """
    open_missing_streams()
    for descriptor in (channel_fd, held_fd):
        # processes that the service starts must not inherit them
        os.set_inheritable(descriptor, False)
    channel = socket.socket(fileno=channel_fd)
    try:
        task = unpacked(receive_block(channel))
    except (EOFError, OSError):
        return 0
    if task.takes_signals:
        _take_signals()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    running = _Running(task, channel)
    try:
        threading.Thread(target=running.listen, name="fleet", daemon=True).start()
        return running.run()
    except RuntimeError as error:
        from sf_actors.cli.stderr import report  # noqa: PLC0415 - seldom used
        from sf_actors.sockets.thread_limit import is_no_thread_left, no_thread_left  # noqa: PLC0415

        if not is_no_thread_left(error):
            raise
        report(str(no_thread_left(task.name)))
        return 2
    finally:
        if running.is_orphaned:
            _leave_unseen()
            os.killpg(0, signal.SIGKILL)


def _leave_unseen() -> None:
    """Remove the inspector's socket, which the kill of our group would leave behind."""
    from sf_actors.inspection.presence import PRESENCE  # noqa: PLC0415 - seldom used

    with suppress(Exception):
        PRESENCE.is_wanted = False
        PRESENCE.end()
    with suppress(OSError):
        # nobody reads it any more
        sys.stdout.flush()


def _take_signals() -> None:
    """Restore the signals that end a fleet: the engine may have blocked or ignored them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class _Running:
    """The running instance, and the thread that listens to `up`."""

    def __init__(self, task: Task, channel: socket.socket) -> None:
        self._task = task
        self._channel = channel
        self._service: Service | None = None
        self._has_ended = threading.Event()
        self.is_orphaned = False

    def run(self) -> int:
        """Run the instance; in the main thread."""
        from sf_actors.cli.command import print_failure  # noqa: PLC0415 - the channel is listened to
        from sf_actors.lifecycle.residents import RESIDENTS  # noqa: PLC0415
        from sf_actors.log.console import CONSOLE  # noqa: PLC0415

        CONSOLE.mark_lines()
        RESIDENTS.command = partial(str, f"sf_actors up: {self._task.name}")
        try:
            return self._run_bus() if self._task.service.is_bus else self._run_service()
        except UserError as error:
            print_failure(error)
            return 2
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        finally:
            self._has_ended.set()

    def listen(self) -> None:
        """Obey `up`, and stop the instance when `up` is gone; in a thread of its own."""
        for message in messages(self._channel):
            if "connect" in message:
                answer = {"connected": message["id"], "error": self._connect(message["connect"])}
                send(self._channel, answer)
        if self._has_ended.is_set():
            return
        self.is_orphaned = True
        self._stop_orphaned()

    def _run_service(self) -> int:
        from sf_actors.cli.arguments import Arguments  # noqa: PLC0415
        from sf_actors.cli.command import run_service  # noqa: PLC0415
        from sf_actors.inspection.presence import PRESENCE  # noqa: PLC0415
        from sf_actors.lifecycle.residents import RESIDENTS  # noqa: PLC0415

        PRESENCE.is_wanted = True
        task = self._task
        RESIDENTS.on_ready = lambda _name: self._send_ready()
        self._service = service_of(task)
        COLLECTOR.resume()
        path = str(task.service.file)
        arguments = Arguments(
            service_path=path, main_mode=task.service.main, http=task.service.http
        )
        return run_service(self._service, arguments)

    def _run_bus(self) -> int:
        from sf_actors.cli.shell import terminate  # noqa: PLC0415
        from sf_actors.cli.verbs.bus import pass_on  # noqa: PLC0415

        COLLECTOR.resume()
        signal.signal(signal.SIGTERM, terminate)
        task = self._task
        there = task.addresses["connections"]["in"]
        return pass_on(
            there["xsub"],
            there["xpub"],
            keys=task.keys,
            name=task.name,
            on_bound=lambda _bus: self._send_ready(),
        )

    def _send_ready(self) -> None:
        send(self._channel, {"ready": True, "files": files_of(self._task)})

    def _connect(self, given: list[Any]) -> str | None:
        """Connect a model to other addresses; returns the error, if any."""
        if self._service is None:
            return None
        try:
            self._service.connect(*given)
        except UserError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - sent back as the answer
            return f"{type(error).__name__}: {error}"
        return None

    def _stop_orphaned(self) -> None:
        from sf_actors.lifecycle.residents import RESIDENTS  # noqa: PLC0415

        within_s = min(self._task.service.stop_timeout_s, ORPHANED_S)
        for resident in RESIDENTS.all:
            if resident.state is not None:
                resident.state.stop_timeout_s = within_s
        os.kill(os.getpid(), signal.SIGTERM)
        self._has_ended.wait(within_s)
        threading.Event().wait(LEAVING_S)
        os.killpg(0, signal.SIGKILL)


def service_of(task: Task, *, console_level: str | None = None) -> Service:
    """Return the service of a task.

    :param console_level: of the console; None: the lower of the levels that `up` shows and keeps
    """
    from sf_actors.service import Service  # noqa: PLC0415 - not needed by a bus

    service = task.service
    return Service(
        service.file,
        addresses=task.addresses,
        config=service.config_source(number=task.number),
        console_loglevel=console_level or least_level(service.loglevel, service.file_loglevel),
        name=task.name,
        allow_inbound=service.allow_inbound,
        stop_timeout_s=service.stop_timeout_s,
        keys=task.keys,
    )


def files_of(task: Task) -> dict[str, str]:
    """Return the stamps of the files that an instance was loaded from, by path.

    These are its service file, its config, and what it imported from its folder.
    """
    service = task.service
    if service.file is None:
        return {}
    found = {service.file}
    if isinstance(service.config, Path):
        found.add(service.config)
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "/").absolute()
        if service.file.parent in path.parents:
            found.add(path)
    return stamps_of(sorted(found))


def least_level(*levels: str | None) -> int:
    """Return the lowest of some levels, given as for a flag; None counts as INFO."""
    from sf_actors.log.level import parse_level  # noqa: PLC0415

    return min(parse_level(one or "INFO", where="loglevel") for one in levels)


def run() -> None:
    """Run this process and exit; its arguments are the two descriptors for `main`."""
    COLLECTOR.pause()
    try:
        status = main(int(sys.argv[1]), int(sys.argv[2]))
    except KeyboardInterrupt:
        # it came before there was anything to stop
        status = 128 + signal.SIGINT
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
    sys.exit(status)
