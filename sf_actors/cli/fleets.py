"""Reads the fleet that the arguments of a verb name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.flags import text_of
from sf_actors.cli.stderr import report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from sf_actors.cli.output import Output
    from sf_actors.fleet.findings import Finding
    from sf_actors.fleet.fleet import Fleet

#: The fleet file if none is named.
DEFAULT_FILE = "fleet.toml"


def add_fleet(parser: argparse.ArgumentParser) -> None:
    """Add the flag that `fleet_of` reads."""
    parser.add_argument(
        "--fleet",
        metavar="FILE",
        type=text_of,
        help=f"the file of the fleet (default {DEFAULT_FILE} in the working directory)",
    )


def fleet_of(arguments: argparse.Namespace) -> Fleet:
    """Read the fleet that `--fleet` names, or the default one.

    :raises FleetError: its file cannot be read
    """
    from sf_actors.fleet.fleet_file import read_fleet  # noqa: PLC0415 - after -h

    return read_fleet(arguments.fleet or DEFAULT_FILE)


def logs_of_fleet(arguments: argparse.Namespace) -> Path:
    """Return the folder of a fleet's log files, without reading the fleet's file.

    :raises FleetError: there is no such file
    """
    path = Path(arguments.fleet or DEFAULT_FILE)
    if not path.is_file():
        # raises, and says what is wrong
        fleet_of(arguments)
    return path.resolve().parent / "logs"


def report_findings(findings: Iterable[Finding]) -> None:
    """Print findings to standard error, one a line."""
    for finding in findings:
        report(str(finding))


def emit_findings(out: Output, findings: Iterable[Finding]) -> None:
    """Print findings as data, one a line."""
    from sf_actors.wording import escaped  # noqa: PLC0415 - with findings alone

    for finding in findings:
        if out.as_json:
            out.emit(finding.as_dict())
        else:
            colour = "bad" if finding.is_error else "odd"
            text = escaped(str(finding))
            out.line(text.replace(finding.code, out.coloured(finding.code, colour), 1))
