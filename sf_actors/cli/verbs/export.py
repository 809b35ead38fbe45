"""`export`: writes a fleet as files for another engine, Kubernetes or systemd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.flags import text_of
from sf_actors.cli.fleets import add_fleet, fleet_of, report_findings
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError
from sf_actors.wording import escaped, nearest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sf_actors.cli.parser import Parser
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.export.files import ExportedFile
    from sf_actors.fleet.fleet import Fleet

_ENGINES = ("kubernetes", "systemd")


def run(argv: Sequence[str]) -> int:
    """Write a fleet as files, replacing those of an earlier export.

    :returns: 0; 1 if nothing was written: `check` found errors, or a file is not from an export
    """
    engine = argv[0] if argv else ""
    if engine in ("-h", "--help"):
        parser = verb_parser(
            "export",
            "Write a fleet as files: sf_actors export kubernetes -h, sf_actors export systemd -h.",
            example="sf_actors export systemd -o units",
            has_json=False,
            has_timeout=False,
        )
        parser.parse_args(argv)
    if engine not in _ENGINES:
        raise UsageError(
            f"export: expected {' or '.join(_ENGINES)}, got {engine!r}{nearest(engine, _ENGINES)}"
        )
    parser = _parser(engine)
    arguments = parsed(parser, argv[1:])
    out = Output(as_json=arguments.json)
    fleet = fleet_of(arguments)

    from sf_actors.fleet.check import check  # noqa: PLC0415 - after -h
    from sf_actors.fleet.export.files import write_all  # noqa: PLC0415

    checked = check(fleet)
    report_findings(checked.findings)
    if checked.has_errors:
        return FAILED
    files = (_kubernetes if engine == "kubernetes" else _systemd)(fleet, checked, arguments)
    for path in write_all(Path(arguments.out), files):
        if out.as_json:
            out.emit({"path": str(path)})
        else:
            out.line(escaped(str(path)))
    return 0


def _parser(engine: str) -> Parser:
    needs = "--image registry/market:7 " if engine == "kubernetes" else ""
    what = {
        "kubernetes": "manifests of Kubernetes. The image has the fleet's folder as its working\n"
        "directory, and sf_actors",
        "systemd": "units of systemd: a service each, a template where it has instances,\n"
        "and a target",
    }[engine]
    parser = verb_parser(
        f"export {engine}",
        f"Write a fleet as {what}. What was exported there before is replaced.",
        example=f"sf_actors export {engine} {needs}-o {engine}",
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument(
        "-o", dest="out", metavar="DIR", type=text_of, required=True, help="the folder to write to"
    )
    if engine == "kubernetes":
        parser.add_argument(
            "--image", metavar="IMAGE", type=text_of, required=True, help="what the pods run"
        )
    else:
        parser.add_argument(
            "--root",
            metavar="DIR",
            type=text_of,
            help="the fleet's folder on the machine that runs it (default: where it is here)",
        )
        parser.add_argument(
            "--python",
            metavar="PATH",
            type=text_of,
            default=sys.executable,
            help="the interpreter there (default: this one)",
        )
    return parser


def _systemd(fleet: Fleet, checked: Checked, arguments: argparse.Namespace) -> list[ExportedFile]:
    from sf_actors.fleet.export.systemd import Units  # noqa: PLC0415 - after -h

    for flag, value in (("root", arguments.root), ("python", arguments.python)):
        if value is not None and not Path(value).is_absolute():
            raise UsageError(f"--{flag}: expected an absolute path, got {value!r}")
    root = fleet.folder if arguments.root is None else Path(arguments.root)
    out = Path(arguments.out)
    units = Units(fleet, checked.outlines, checked.linked, root, arguments.python, out)
    return list(units.files())


def _kubernetes(
    fleet: Fleet, checked: Checked, arguments: argparse.Namespace
) -> list[ExportedFile]:
    from sf_actors.fleet.export.kubernetes import Manifests  # noqa: PLC0415 - after -h

    waiting = [service.name for service in fleet.services if service.after]
    if waiting:
        report(f"Kubernetes starts all at once, whatever after says: {', '.join(waiting)}")
    manifests = Manifests(fleet, checked.outlines, checked.linked, arguments.image)
    return list(manifests.files())
