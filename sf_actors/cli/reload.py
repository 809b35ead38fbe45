"""`--reload`: runs a service in its own process, and restarts it when one of its files changes."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple

from sf_actors.cli.file_stamps import stamps_of
from sf_actors.cli.stderr import lasting_report
from sf_actors.cli.watched_files import WatchedFiles
from sf_actors.interpreter import own_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.cli.arguments import Arguments

FLAG: Final = "--reload"

#: Exit status if the service could never be loaded.
NOT_LOADED: Final = 2
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def supervise(argv: Sequence[str], arguments: Arguments) -> int:
    """Run a service until a signal; in the main thread.

    :param argv: its command line, with `--reload`
    :returns: the exit status of the last process, 2 if the service could never be loaded
    """
    return _Supervisor([one for one in argv if one != FLAG], arguments).run()


class _Changed(NamedTuple):
    """Watched files have changed."""

    name: str


class _Ended(NamedTuple):
    """A child process has ended; `out` is what a rehearsal printed."""

    process: subprocess.Popen[bytes]
    out: bytes


#: An event for the supervisor: a signal's number, a change, or an end.
_News = int | _Changed | _Ended


class _Supervisor:
    """Watches the files, and runs the service in a child process.

    All events come through one queue, which the main thread reads.

    :param argv: the command line of the service
    """

    def __init__(self, argv: list[str], arguments: Arguments) -> None:
        self._argv = argv
        self._report = lasting_report()
        self._file = Path(arguments.service_path).absolute()
        given = (arguments.addresses_path, arguments.config_path)
        #: files that are watched whatever the service imports
        self._given = {self._file, *(Path(path).absolute() for path in given if path)}
        self._stamps: dict[str, str] = {}
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._watching: WatchedFiles | None = None
        #: the process that checks that the service loads, and the file that changed
        self._rehearsal: subprocess.Popen[bytes] | None = None
        self._changed = ""
        self._process: subprocess.Popen[bytes] | None = None
        #: the running process was told to stop, and a new one will follow
        self._is_replaced = False
        #: a signal came: exit when the process has ended
        self._is_stopping = False
        self._is_over = False
        self._status = 0

    def run(self) -> int:
        """Run until a signal; returns the exit status."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: self._news.put(number))
        self._rehearse("")
        try:
            while not self._is_over:
                self._take(self._news.get())
        finally:
            for process in (self._rehearsal, self._process):
                if process is not None:
                    process.kill()
            if self._watching is not None:
                self._watching.end()
        return self._status if self._status >= 0 else 128 - self._status

    def _take(self, news: _News) -> None:
        if isinstance(news, int):
            self._take_signal(news)
        elif isinstance(news, _Changed):
            self._rehearse(news.name)
        elif news.process is self._rehearsal:
            self._rehearsal = None
            if not self._is_stopping:
                self._take_rehearsal(news)
        elif news.process is self._process:
            self._take_end(news.process.returncode)

    def _take_signal(self, number: int) -> None:
        self._is_replaced = False
        self._is_stopping = True
        if self._process is None:
            self._is_over = True
        else:
            self._process.send_signal(number)

    def _take_end(self, status: int) -> None:
        self._process = None
        self._status = status
        if self._is_replaced:
            self._is_replaced = False
            self._start()
        elif self._is_stopping:
            self._is_over = True
        else:
            self._report(f"{self._file.name} has ended with {status}; waiting for a change")

    def _rehearse(self, changed: str) -> None:
        """Start loading the service in another process, in place of an earlier rehearsal."""
        if self._is_stopping:
            return
        if self._rehearsal is not None:
            # it may have read files that have changed since
            self._rehearsal.kill()
        self._changed = changed
        self._stamps = stamps_of(self._given)
        module = "sf_actors.cli.rehearsal"
        self._rehearsal = self._begun(module, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def _take_rehearsal(self, ended: _Ended) -> None:
        """Replace the running service if the rehearsal could load it."""
        is_good = not ended.process.returncode
        if is_good:
            self._watch({**json.loads(ended.out.splitlines()[-1]), **self._stamps})
        elif self._watching is None:
            self._status = NOT_LOADED
            self._is_over = True
            return
        if not is_good:
            runs_on = "the old one runs on" if self._process else "waiting for a change"
            self._report(f"{self._file.name} does not load; {runs_on}")
            return
        if self._changed:
            self._report(f"{self._changed} has changed: {self._file.name} runs again")
        if self._process is None:
            self._start()
        else:
            self._is_replaced = True
            self._process.send_signal(signal.SIGTERM)

    def _start(self) -> None:
        self._process = self._begun("sf_actors.__main__")

    def _begun(
        self, module: str, *, stdin: int | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process whose end becomes an event."""
        process = subprocess.Popen(  # noqa: S603 - what we were started with
            # -B: bytecode could be of a text that changed meanwhile
            own_command(module, "run", self._argv, flags=["-B"]),
            stdin=stdin,
            stdout=stdout,
            # so that a signal from the terminal reaches it once, through us
            process_group=0,
        )

        def queue_end() -> None:
            out, _ = process.communicate()
            self._news.put(_Ended(process, out or b""))

        threading.Thread(target=queue_end, name="reload/end", daemon=True).start()
        return process

    def _watch(self, stamps: dict[str, str]) -> None:
        if self._watching is not None:
            if self._watching.files == set(map(Path, stamps)):
                return
            self._watching.end()
        self._watching = WatchedFiles(stamps, self._queue_change)

    def _queue_change(self, paths: set[str]) -> None:
        self._news.put(_Changed(Path(min(paths)).name))
