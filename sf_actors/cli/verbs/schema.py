"""`schema`: prints services as AsyncAPI, or the changes that break peers of an older schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.cli.fleets import DEFAULT_FILE, add_fleet, fleet_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.service_files import (
    add_service_files,
    read_fleet_outlines,
    read_outlines,
)
from sf_actors.cli.shell import FAILED
from sf_actors.definition.config.json_file import plain, read_object
from sf_actors.errors import UsageError
from sf_actors.inspection.asyncapi import document_of
from sf_actors.inspection.schema_diff import breaks
from sf_actors.wording import escaped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sf_actors.inspection.outline import Outline


def run(argv: Sequence[str]) -> int:
    """Print the schema of service files, or with `--diff` the changes that break older peers.

    :returns: 0; 1 if something breaks
    """
    parser = verb_parser(
        "schema",
        "Print services as AsyncAPI 3.0.0, or the changes that break peers of an older schema: "
        "service files, or those of a fleet.",
        example="sf_actors schema svc.py -a addresses.json > svc.asyncapi.json",
        has_timeout=False,
    )
    add_fleet(parser)
    add_service_files(parser, nargs="*")
    parser.add_argument(
        "--diff", metavar="OLD.json", help="print the changes that break peers of this older schema"
    )
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    old = None
    if arguments.diff is not None:
        old = plain(read_object(arguments.diff, what="schema", error=UsageError))
    document = document_of(_outlines(arguments))
    if old is None:
        out.emit(document, indent=None if out.as_json else 2)
        return 0
    return _report_breaks(out, old, document, where=arguments.diff)


def _outlines(arguments: argparse.Namespace) -> list[Outline]:
    """Return the services of the files, or of the fleet if no files are named.

    :raises UsageError: both are given, or neither
    """
    if arguments.files:
        if arguments.fleet is not None:
            raise UsageError("--fleet: expected no service files beside it, got some")
        return read_outlines(arguments)
    if arguments.addresses or arguments.configs:
        raise UsageError("-a, -c: expected service files beside them, got none")
    if arguments.fleet is None and not Path(DEFAULT_FILE).is_file():
        raise UsageError(f"expected svc.py, --fleet FILE or {DEFAULT_FILE} here, got none")
    return read_fleet_outlines(fleet_of(arguments))


def _report_breaks(out: Output, old: dict[str, Any], new: dict[str, Any], *, where: str) -> int:
    found = breaks(old, new, where=where)
    for one in found:
        if out.as_json:
            out.emit({"service": one.service, "model": one.model, "message": one.message})
        else:
            out.line(escaped(str(one)))
    return FAILED if found else 0
