"""`top`: shows the services of this machine, live."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.readings import Readings
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.shell import Terminated
from sf_actors.cli.top_table import HEAD, RIGHT, cells_of, colours_of
from sf_actors.cli.verbs.ps import BETWEEN_S
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long an answer may take, in seconds.
ANSWER_S: Final = 0.9


def run(argv: Sequence[str]) -> int:
    """Show a table that is refreshed each second, or print it once."""
    parser = verb_parser(
        "top",
        "Show the services of this machine, live. Keys: n r f d p sort by name, received, failed, "
        "dropped, p99; q ends it. Without a terminal, with --once or --json one table is printed.",
        example="sf_actors top --once",
        timeout_s=ANSWER_S,
    )
    add_remote_flags(parser)
    parser.add_argument("--once", action="store_true", help="print one table and end")
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    is_live = out.is_terminal and sys.stdin.isatty() and not arguments.once and not out.as_json
    if is_live and os.environ.get("TERM") != "dumb":
        try:
            from sf_actors.cli.live_table import show  # noqa: PLC0415 - with a terminal alone
        except ImportError:
            raise UsageError(
                "a live table needs the extra cli: pip install 'sf_actors[cli]'; or --once"
            ) from None
        try:
            show(lambda: RemoteServices.of(arguments), timeout_s=min(arguments.timeout, ANSWER_S))
        except Terminated:
            return 0
        return 0
    with RemoteServices.of(arguments) as remote:
        readings = Readings(remote, has_more=True)
        readings.read(timeout_s=min(BETWEEN_S, arguments.timeout))
        if remote.inspectors():
            time.sleep(BETWEEN_S)
        rows = readings.read(timeout_s=arguments.timeout)
    if out.as_json:
        for row in rows:
            out.emit(row)
    else:
        out.line(_table(out, rows))
    return 0


def _table(out: Output, rows: Sequence[dict[str, Any]]) -> str:
    colours = {
        (number, place): colour
        for number, row in enumerate(rows)
        for place, colour in colours_of(row)
    }
    return out.table(HEAD, [cells_of(row) for row in rows], right=RIGHT, colours=colours)
