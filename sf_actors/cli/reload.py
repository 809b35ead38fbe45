"""`--reload`: runs a service in a process of its own, anew when one of its files changes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from watchfiles import watch

from sf_actors.cli.output import tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from watchfiles import Change

    from sf_actors.cli.arguments import Arguments

FLAG: Final = "--reload"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def supervise(argv: Sequence[str], arguments: Arguments) -> int:
    """Run a service until a signal; for the main thread.

    :param argv: its command line, with the flag
    :returns: the exit status of the process that ran last
    """
    return _Supervisor([one for one in argv if one != FLAG], arguments).run()


class _Supervisor:
    """The process that watches; the service runs in another one.

    Signals, changes and ends come by one queue, which the main thread reads.
    """

    def __init__(self, argv: list[str], arguments: Arguments) -> None:
        self._argv = argv
        self._file = Path(arguments.service_path).absolute()
        given = (arguments.addresses_path, arguments.config_path)
        self._given = [Path(path).absolute() for path in given if path]
        self._news: SimpleQueue[int | str | subprocess.Popen[bytes]] = SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._status = 0
        self._watching: _Watching | None = None

    def run(self) -> int:
        """Run until a signal; returns the exit status."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)
        self._renew("")
        try:
            while True:
                news = self._news.get()
                if isinstance(news, int):
                    return self._end(news)
                if isinstance(news, str):
                    self._renew(news)
                elif news is self._process:
                    self._status = news.returncode
                    self._process = None
                    tell(f"{self._file.name} has ended with {self._status}; waiting for a change")
        finally:
            if self._watching is not None:
                self._watching.end()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._news.put(number)

    def _renew(self, changed: str) -> None:
        """Load the service in a process of its own, and if it loads run it in place of the old."""
        loaded = subprocess.run(  # noqa: S603 - what we were started with
            [sys.executable, "-m", "sf_actors.cli.rehearsal", *self._argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            process_group=0,
        )
        files = {self._file, *self._given}
        if not loaded.returncode:
            files.update(map(Path, json.loads(loaded.stdout.splitlines()[-1])))
        elif self._watching is not None:
            # an import that is broken now is still to be watched
            files |= self._watching.files
        else:
            files.update(self._file.parent.glob("*.py"))
        self._watch(files)
        if loaded.returncode:
            runs_on = "the old one runs on" if self._process else "waiting for a change"
            tell(f"{self._file.name} does not load; {runs_on}")
            return
        if changed:
            tell(f"{changed} has changed: {self._file.name} runs again")
        self._end_process(signal.SIGTERM)
        self._start()

    def _start(self) -> None:
        process = subprocess.Popen(  # noqa: S603 - what we were started with
            [sys.executable, "-m", "sf_actors", *self._argv],
            # a signal from the terminal comes once, through us
            process_group=0,
        )
        self._process = process

        def tell_end() -> None:
            process.wait()
            self._news.put(process)

        threading.Thread(target=tell_end, name="reload/end", daemon=True).start()

    def _end_process(self, number: int) -> None:
        """Hand on a signal and wait for the end; further signals are handed on meanwhile."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        later = []
        while True:
            news = self._news.get()
            if news is process:
                break
            if isinstance(news, int):
                process.send_signal(news)
            later.append(news)
        self._status = process.returncode
        for news in later:
            self._news.put(news)

    def _end(self, number: int) -> int:
        if self._process is None:
            return self._status if self._status >= 0 else 128 - self._status
        self._end_process(number)
        return self._status if self._status >= 0 else 128 - self._status

    def _watch(self, files: set[Path]) -> None:
        if self._watching is not None:
            if self._watching.files == files:
                return
            self._watching.end()
        self._watching = _Watching(files, self._news)


class _Watching:
    """Tells of changes of files, in a thread of its own."""

    def __init__(
        self, files: set[Path], news: SimpleQueue[int | str | subprocess.Popen[bytes]]
    ) -> None:
        self.files = files
        self._names = {str(path) for path in files}
        self._news = news
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        # folders: an editor puts a new file in the place of the old one
        folders = {path.parent for path in self.files if path.parent.is_dir()}
        for changes in watch(
            *folders,
            watch_filter=self._is_ours,
            stop_event=self._is_over,
            recursive=False,
            raise_interrupt=False,
        ):
            self._news.put(Path(min(path for _, path in changes)).name)

    def _is_ours(self, _change: Change, path: str) -> bool:
        return path in self._names
