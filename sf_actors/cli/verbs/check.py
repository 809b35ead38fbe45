"""`check`: finds errors in a fleet, or in service files and addresses, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.fleets import add_fleet, emit_findings, fleet_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.service_files import add_service_files
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sf_actors.fleet.findings import Finding


def run(argv: Sequence[str]) -> int:
    """Check a fleet without starting it, and print the findings.

    :returns: 0 without errors; 1 with errors, or with `--strict` any findings
    """
    parser = verb_parser(
        "check",
        "Find errors in a fleet before it is started: each file is imported in a process of its\n"
        "own, and both sides of each link are compared. Or in service files, with their\n"
        "addresses.",
        example="sf_actors check --strict",
    )
    add_fleet(parser)
    add_service_files(parser, nargs="*")
    parser.add_argument("--strict", action="store_true", help="exit 1 if there are warnings")
    parser.add_argument(
        "--live", action="store_true", help="compare the files with what runs of the fleet"
    )
    parser.add_argument(
        "--in-process", action="store_true", help="check it for a run in one process"
    )
    parser.add_argument(
        "--ports", action="store_true", help="check that its ports are free here now"
    )
    arguments = parsed(parser, argv)
    _require_one_form(arguments)
    out = Output(as_json=arguments.json)
    findings = _findings(arguments)
    emit_findings(out, findings)
    errors = sum(finding.is_error for finding in findings)
    if not out.as_json:
        report(_summary(errors, len(findings) - errors))
    return FAILED if errors or (arguments.strict and findings) else 0


def _require_one_form(arguments: argparse.Namespace) -> None:
    for file in arguments.files:
        if file.endswith(".toml"):
            raise UsageError(f"expected service files, got {file!r}; a fleet is --fleet {file}")
    if not arguments.files:
        if arguments.addresses or arguments.configs:
            raise UsageError("-a, -c: expected service files beside them, got none")
        return
    for flag in ("fleet", "live", "in_process"):
        if getattr(arguments, flag):
            name = flag.replace("_", "-")
            raise UsageError(f"--{name}: expected no service files beside it, got some")
    if not arguments.addresses:
        raise UsageError("expected -a addresses.json beside service files, got none")


def _findings(arguments: argparse.Namespace) -> Sequence[Finding]:
    if arguments.files:
        from sf_actors.cli.service_files import for_each  # noqa: PLC0415 - after -h
        from sf_actors.fleet.loose_files import check_files  # noqa: PLC0415

        return check_files(
            arguments.files,
            for_each(arguments.files, arguments.addresses, "addresses"),
            for_each(arguments.files, arguments.configs, "configs"),
            with_ports=arguments.ports,
        )
    fleet = fleet_of(arguments)
    if arguments.live:
        from sf_actors.cli.fleet_requests import running_pids  # noqa: PLC0415
        from sf_actors.cli.remote_services import RemoteServices  # noqa: PLC0415
        from sf_actors.fleet.live_check import check_live  # noqa: PLC0415
        from sf_actors.fleet.run_folder import RunFolder  # noqa: PLC0415
        from sf_actors.inspection.graph.running import read_infos  # noqa: PLC0415

        with RemoteServices(timeout_s=arguments.timeout) as remote:
            infos = read_infos(remote.client, remote.inspectors(), remote.timeout_s)
        found = [info for some in infos.values() for info in some]
        pids = running_pids(RunFolder.of(fleet.path), arguments.timeout)
        return check_live(fleet, found, pids=pids)
    from sf_actors.fleet.check import check  # noqa: PLC0415

    if arguments.in_process:
        from sf_actors.cli.in_process import require_one_environment  # noqa: PLC0415

        require_one_environment(fleet)
    return check(fleet, in_process=arguments.in_process, with_ports=arguments.ports).findings


def _summary(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "nothing is wrong"
    counts = ((errors, "error"), (warnings, "warning"))
    return ", ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count)
