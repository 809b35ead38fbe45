"""`logs`: prints the log lines of a fleet, merged by time."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.fleet_lines import FleetLines
from sf_actors.cli.fleet_logs import FleetLogs, Found, is_of_workflow, names_in
from sf_actors.cli.fleets import add_fleet, fleet_of, logs_of_fleet
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.polling import LOOK_S, pause
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.shell import Terminated
from sf_actors.errors import TargetError, UsageError
from sf_actors.log.level import parse_level
from sf_actors.wording import nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SINCE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")


def run(argv: Sequence[str]) -> int:
    """Print the lines."""
    parser = verb_parser(
        "logs",
        "Print the log lines of the fleet's services, rotated files too, merged by time.",
        example="sf_actors logs -f --since 5m --level WARNING",
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="print new lines as well")
    parser.add_argument("--since", metavar="5m", help="only lines of the last 30s, 5m, 2h or 1d")
    parser.add_argument("--grep", metavar="X", help="only lines that match this pattern")
    parser.add_argument("--level", metavar="LEVEL", help="only lines of this level or above")
    parser.add_argument("--workflow", metavar="ID", help="only lines of this workflow id")
    parser.add_argument("names", nargs="*", metavar="SERVICE", help="only of these services")
    add_on(parser)
    arguments = parsed(parser, argv)
    is_meant = _filter(arguments)
    if is_on_ray(arguments):
        from sf_actors.cli.ray_requests import log_folder  # noqa: PLC0415 - needs the extra

        with log_folder(arguments) as (folder, update):
            return _print(arguments, folder, is_meant, update)
    return _print(arguments, logs_of_fleet(arguments), is_meant, lambda: None)


def _print(
    arguments: argparse.Namespace,
    folder: Path,
    is_meant: Callable[[Found], bool],
    update: Callable[[], None],
) -> int:
    """Print the lines of the files in a folder.

    :param update: called before each look for new lines
    """
    is_of = _named(arguments, folder)
    out = Output(as_json=arguments.json)
    lines = FleetLines(filter(is_of, names_in(folder)), as_json=arguments.json)
    logs = FleetLogs(folder, is_of)
    try:
        for found in logs.written():
            if is_meant(found):
                out.line(lines.line(found.name, found.line))
        while arguments.follow:
            pause(LOOK_S)
            update()
            for found in logs.new():
                if is_meant(found):
                    out.line(lines.line(found.name, found.line))
    except Terminated:
        pass
    finally:
        logs.close()
    return 0


def _named(arguments: argparse.Namespace, folder: Path) -> Callable[[str], bool]:
    """Return a predicate for the instances that the arguments name.

    :raises TargetError: the fleet has no service of some name
    """
    names: list[str] = arguments.names
    if names:
        known = {*names_in(folder)} | {one.name for one in fleet_of(arguments).services}
        known |= {name.partition("#")[0] for name in known}
        for name in names:
            if name not in known:
                raise TargetError(
                    f"expected a service of the fleet, got {name!r}{nearest(name, known)}"
                )
    return lambda name: not names or name in names or name.partition("#")[0] in names


def _filter(arguments: argparse.Namespace) -> Callable[[Found], bool]:
    """Return a predicate for the lines that the flags ask for.

    :raises UsageError: a flag has a wrong value
    """
    tests: list[Callable[[Found], Any]] = []
    if arguments.since is not None:
        found = _SINCE.fullmatch(arguments.since)
        if found is None:
            raise UsageError(f"--since: expected 30s, 5m, 2h or 1d, got {arguments.since!r}")
        try:
            age = timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])
            since = (datetime.now(UTC) - age).isoformat(timespec="microseconds")[:26]
        except OverflowError:
            # before all that a calendar has
            since = ""
        tests.append(lambda one: one.timestamp >= since)
    if arguments.grep is not None:
        try:
            pattern = re.compile(arguments.grep)
        except re.error as error:
            raise UsageError(
                f"--grep: expected a pattern, got {arguments.grep!r}: {error}"
            ) from None
        tests.append(lambda one: pattern.search(one.raw))
    if arguments.level is not None:
        least = parse_level(arguments.level, where="--level")
        tests.append(lambda one: _level_of(one) >= least)
    if arguments.workflow is not None:
        tests.append(lambda one: is_of_workflow(one.line, arguments.workflow))
    return lambda one: all(test(one) for test in tests)


def _level_of(found: Found) -> int:
    try:
        return parse_level(str(found.line.get("level")).removeprefix("level "), where="level")
    except UsageError:
        return sys.maxsize
