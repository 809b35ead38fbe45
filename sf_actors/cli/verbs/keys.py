"""`keys fleet`: creates the CURVE keys that a fleet lacks; `keys new` is in `cli/command.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleets import add_fleet, fleet_of, report_findings
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError
from sf_actors.wording import escaped, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = ("new", "fleet")


def run(argv: Sequence[str]) -> int:
    """Create and remove keys.

    :returns: 0; 1 if a service cannot be read or linked, with the reason on standard error
    """
    if argv and argv[0] not in _COMMANDS and not argv[0].startswith("-"):
        hint = nearest(argv[0], _COMMANDS)
        raise UsageError(f"keys: expected new or fleet, got {argv[0]!r}{hint}")
    if list(argv[:1]) != ["fleet"]:
        from sf_actors.cli.command import main  # noqa: PLC0415 - for `keys new`

        return main(["keys", *argv])
    parser = verb_parser(
        "keys fleet",
        "Create the CURVE keys that a fleet lacks, in its folder for keys: a pair for each\n"
        "service, and the keys of the services that it is linked to. Keys of links that are\n"
        "gone are removed; keys that somebody else put there stay.",
        example="sf_actors keys fleet --fleet fleet.toml",
        has_timeout=False,
    )
    add_fleet(parser)
    arguments = parsed(parser, argv[1:])
    out = Output(as_json=arguments.json)
    fleet = fleet_of(arguments)

    from sf_actors.fleet.keyring import remove_keys, write_keys  # noqa: PLC0415 - after -h
    from sf_actors.fleet.linking import link  # noqa: PLC0415
    from sf_actors.fleet.reading import read_services  # noqa: PLC0415

    read = read_services(fleet)
    linked = link(fleet, read.outlines)
    findings = (*read.findings, *linked.findings)
    report_findings(findings)
    if findings:
        return FAILED
    for path in write_keys(fleet, read.outlines, linked.links):
        if out.as_json:
            out.emit({"path": str(path)})
        else:
            out.line(escaped(str(path)))
    for path in remove_keys(fleet, read.outlines, linked.links):
        if out.as_json:
            out.emit({"path": str(path), "removed": True})
        else:
            report(f"removed {escaped(str(path))}: its link is gone")
    return 0
