"""Shows the market: as a live table on a terminal, else line by line."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from rich.table import Table

SHOW_CURSOR = "\x1b[?25h"
_VERDICTS = {True: "equal", False: "DIFFERS", None: "not yet there"}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The market at one moment.

    :param depth: the open quantity on the bid side, and on the ask side
    :param updates: number of updates that the exchange has published
    :param requests_per_s: requests answered by exchange and book keeper since the last figures
    :param phase: the replica's: SYNCING, LIVE or STALE
    :param is_equal: True if the replica equals the exchange's book; None if it lags behind
    """

    bid: Decimal | None
    ask: Decimal | None
    depth: tuple[int, int]
    updates: int
    requests_per_s: float
    phase: str
    is_equal: bool | None


@contextmanager
def open_display() -> Iterator[Callable[[Figures], None]]:
    """Yield a function that shows figures: in place on a terminal, else each on a line."""
    # only for a terminal: importing rich takes longer than everything else
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        try:
            from rich.live import Live  # noqa: PLC0415
        except ImportError:  # rich is optional
            yield _print_line
            return
        # Live prints log lines above the table, not through it
        with Live(auto_refresh=False) as live:
            yield lambda figures: live.update(_table(figures), refresh=True)
    else:
        yield _print_line


def restore_terminal() -> None:
    """Make the cursor visible again, before a hard exit of the process."""
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), f"{SHOW_CURSOR}\r\n".encode())


def _print_line(figures: Figures) -> None:
    """Print one line; end `main` if the reader has gone, as with ``| head``."""
    line = "   ".join(f"{name} {value}" for name, value in _texts(figures).items())
    try:
        print(line, flush=True)  # noqa: T201 - the demonstration's output
    except BrokenPipeError:
        # the interpreter will flush the rest of the buffer: let it go to the null device
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _table(figures: Figures) -> Table:
    from rich.table import Table  # noqa: PLC0415 - see above

    styles = {"best bid": "green", "best ask": "red", "replica": "bold green"}
    if figures.is_equal is not True:
        styles["replica"] = "bold red"
    table = Table(title="sf_actors: a market of four services", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right", min_width=40)
    for name, value in _texts(figures).items():
        table.add_row(name, value, style=styles.get(name))
    return table


def _texts(figures: Figures) -> dict[str, str]:
    bids, asks = figures.depth
    verdict = _VERDICTS[figures.is_equal]
    return {
        "best bid": "-" if figures.bid is None else str(figures.bid),
        "best ask": "-" if figures.ask is None else str(figures.ask),
        "depth": f"{bids} / {asks}",
        "updates": str(figures.updates),
        "requests/s": f"{figures.requests_per_s:.0f}",
        "replica": f"{figures.phase}, {verdict} at update {figures.updates - 1}",
    }
