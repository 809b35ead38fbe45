"""`ps`: lists the services that run on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import duration, phase_colour, short
from sf_actors.cli.fleet_run_folder import run_folder_here
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.readings import Readings
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.shell import ABSENT
from sf_actors.cli.stderr import report
from sf_actors.inspection.folder import plain_name
from sf_actors.wording import nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: The time between the two readings for a rate, and the longest wait for the second, in seconds.
BETWEEN_S, ANSWER_S = 0.5, 1.0

_HEAD = ("SERVICE", "PID", "PHASE", "UPTIME", "RECV/S", "FAILED", "DROPPED", "STATES")


def run(argv: Sequence[str]) -> int:
    """Print a line for each service, and for each process that does not answer."""
    parser = verb_parser(
        "ps",
        "List the services that run on this machine.",
        example="sf_actors ps",
        timeout_s=ANSWER_S,
    )
    add_remote_flags(parser)
    parser.add_argument("--quiet", "-q", action="store_true", help="print only the process ids")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only services of these names")
    add_on(parser)
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    if is_on_ray(arguments):
        from sf_actors.cli.ray_requests import rows_of  # noqa: PLC0415 - needs the extra

        return _print(out, rows_of(arguments), arguments)
    began = time.monotonic()
    with RemoteServices.of(arguments) as remote:
        rows = _rows(remote, arguments.timeout, is_quiet=arguments.quiet)
    if arguments.at is None and (run_folder := run_folder_here(arguments)) is not None:
        from sf_actors.cli.fleet_requests import with_fleet  # noqa: PLC0415 - in its folder alone

        left = max(BETWEEN_S, began + BETWEEN_S + arguments.timeout - time.monotonic())
        rows = with_fleet(rows, run_folder, arguments, timeout_s=left)
    return _print(out, rows, arguments)


def _print(out: Output, rows: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    """Print rows; returns the exit status."""
    missing = [name for name in arguments.names if not any(_is_of(row, name) for row in rows)]
    names = {row["service"] for row in rows}
    if arguments.names:
        rows = [row for row in rows if any(_is_of(row, name) for name in arguments.names)]
    if arguments.quiet:
        for pid in dict.fromkeys(row["pid"] for row in rows if row["pid"] is not None):
            out.line(str(pid))
    elif out.as_json:
        for row in rows:
            out.emit(row)
    else:
        out.line(as_text(out, rows))
    for name in missing:
        report(f"expected a service that runs, got {name!r}{nearest(name, names)}")
    return ABSENT if missing else 0


def as_text(out: Output, rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a table."""
    cells, colours = [], {}
    for number, row in enumerate(rows):
        is_silent = row["phase"] is None
        reason = row.get("reason")
        cells.append(
            (
                row["service"],
                str(row["pid"] or "-"),
                "NO ANSWER" if is_silent else reason or row["phase"],
                duration(row["uptime_s"]),
                short(row["received_per_s"]),
                short(row["failed"]),
                short(row["dropped"]),
                " ".join(f"{phase} {n}" for phase, n in (row["states"] or {}).items()) or "-",
            )
        )
        colours[number, 2] = phase_colour(row["phase"])
        if row["failed"]:
            colours[number, 5] = "bad"
        if row["dropped"]:
            colours[number, 6] = "odd"
        if set(row["states"] or {}) - {"LIVE"}:
            colours[number, 7] = "odd"
    return out.table(_HEAD, cells, right=(1, 3, 4, 5, 6), colours=colours)


def _is_of(row: dict[str, Any], name: str) -> bool:
    # a process that does not answer is listed under its socket's name
    known = plain_name(name) if row["phase"] is None else name
    return known in (row["service"], row["service"].partition("#")[0])


def _rows(remote: RemoteServices, answer_s: float, *, is_quiet: bool) -> list[dict[str, Any]]:
    """Return one row a service, from two readings, or from one if no rate is needed."""
    readings = Readings(remote, has_more=False)
    began = time.monotonic()
    if not is_quiet:
        readings.read(timeout_s=min(BETWEEN_S, answer_s))
        if remote.inspectors():
            time.sleep(max(0.0, began + BETWEEN_S - time.monotonic()))
    return readings.read(timeout_s=answer_s)
