"""The live table of `top`: refreshed each second, sorted at a key press, full screen."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rich.live import Live
from rich.table import Table
from rich.text import Text

from sf_actors.cli.readings import Readings
from sf_actors.cli.top_table import HEAD, RIGHT, SORTS, cells_of, colours_of, ordered
from sf_actors.errors import SfActorsError
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sf_actors.cli.remote_services import RemoteServices

#: Between two readings, in seconds.
EVERY_S: Final = 1.0

_STYLES: Final = {"good": "green", "bad": "bold red", "odd": "yellow", "": ""}


def show(open_remote: Callable[[], RemoteServices], *, timeout_s: float) -> None:
    """Show the table until `q`, and restore the terminal whatever ends it.

    :param open_remote: opens the connections; called in the reading thread
    :param timeout_s: how long to wait for the answers of one reading, in seconds
    :raises SfActorsError: for example, the folder of the sockets is not safe
    """
    reading = _Reading(open_remote, timeout_s)
    sort = "n"
    with _keys() as next_keys, Live(screen=True, auto_refresh=False) as live:
        reading.start()
        try:
            while True:
                if reading.error is not None:
                    raise reading.error
                live.update(_table(reading.rows, sort), refresh=True)
                for key in next_keys(reading.renewed):
                    if key in {"q", "Q"}:
                        return
                    sort = key if key in SORTS else sort
        finally:
            reading.end()


class _Reading:
    """Reads all numbers each second, in its own thread: a silent process must not block the keys.

    :ivar rows: those of the last reading
    :ivar error: what ended the reading, if anything did
    :ivar renewed: a descriptor that is readable after each reading
    """

    def __init__(self, open_remote: Callable[[], RemoteServices], timeout_s: float) -> None:
        self.rows: Sequence[dict[str, Any]] = ()
        self.error: SfActorsError | None = None
        self.renewed, self._wake_fd = os.pipe()
        self._open_remote = open_remote
        self._timeout_s = timeout_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="top", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def end(self) -> None:
        """Stop reading; returns when the thread has ended."""
        self._is_over.set()
        self._thread.join()
        os.close(self.renewed)
        os.close(self._wake_fd)

    def _run(self) -> None:
        try:
            with self._open_remote() as remote:
                readings = Readings(remote, has_more=True)
                while not self._is_over.is_set():
                    began = monotonic()
                    self.rows = readings.read(timeout_s=self._timeout_s)
                    os.write(self._wake_fd, b"\0")
                    self._is_over.wait(max(0.0, began + EVERY_S - monotonic()))
        except SfActorsError as error:
            self.error = error
            os.write(self._wake_fd, b"\0")


@contextmanager
def _keys() -> Iterator[Callable[[int], str]]:
    """Yield a function that waits for keys or for another descriptor; keys are not echoed."""
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def next_keys(other: int) -> str:
        readable, _, _ = select.select([stdin, other], [], [])
        if other in readable:
            os.read(other, 1024)
        if stdin not in readable:
            return ""
        # the end of the input counts as q: nobody could press it any more
        return os.read(stdin, 1024).decode(errors="replace") or "q"

    try:
        tty.setcbreak(stdin)
        yield next_keys
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _table(rows: Sequence[dict[str, Any]], sort: str) -> Table:
    keys = " ".join(f"{key} {name}" for key, name in SORTS.items())
    caption = Text(f"sorted by {SORTS[sort]};  {keys}  q ends", style="dim")
    table = Table(box=None, caption=caption, caption_justify="left", header_style="bold")
    for number, head in enumerate(HEAD):
        table.add_column(head, justify="right" if number in RIGHT else "left", no_wrap=True)
    for row in ordered(rows, sort):
        styles = dict(colours_of(row))
        table.add_row(
            *(
                Text(escaped(cell), style=_STYLES[styles.get(place, "")])
                for place, cell in enumerate(cells_of(row))
            )
        )
    return table
