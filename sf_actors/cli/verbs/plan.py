"""`plan`: shows the services, instances, links and addresses of a fleet, without starting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.fleets import add_fleet, fleet_of, report_findings
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import FAILED
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sf_actors.fleet.plan import Plan


def run(argv: Sequence[str]) -> int:
    """Print the plan of a fleet; nothing is started.

    :returns: 0; 1 if a service cannot be read or linked, with the reason on standard error
    """
    parser = verb_parser(
        "plan",
        "Show what a fleet is when it runs: services, instances, links and addresses.",
        example="sf_actors plan --fleet fleet.toml",
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument(
        "--in-process", action="store_true", help="with the addresses of a fleet in one process"
    )
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    fleet = fleet_of(arguments)

    from sf_actors.fleet.addresses import inproc_addresses, ipc_addresses  # noqa: PLC0415 - after -h
    from sf_actors.fleet.linking import link  # noqa: PLC0415
    from sf_actors.fleet.plan import plan_of  # noqa: PLC0415
    from sf_actors.fleet.reading import read_services  # noqa: PLC0415
    from sf_actors.inspection.folder import folder  # noqa: PLC0415

    read = read_services(fleet)
    report_findings(read.findings)
    if read.findings:
        return FAILED
    linked = link(fleet, read.outlines)
    report_findings(linked.findings)
    choose = inproc_addresses(fleet) if arguments.in_process else ipc_addresses(fleet, folder())
    plan = plan_of(fleet, read.outlines, linked, choose)
    if out.as_json:
        out.emit(plan.as_dict())
    else:
        for line in _lines(plan, out):
            out.line(line)
    return FAILED if linked.findings else 0


def _lines(plan: Plan, out: Output) -> Iterator[str]:
    content = plan.as_dict()
    rows = [
        [
            service["name"],
            ", ".join(service["instances"]),
            service["file"] or "(a bus)",
            ", ".join(service["after"]),
            service["host"] or "",
        ]
        for service in content["services"]
    ]
    yield out.table(["SERVICE", "INSTANCES", "FILE", "AFTER", "HOST"], rows)
    links = [
        [one["from"], "->", one["to"], one["kind"], one["topic"] or ""] for one in content["links"]
    ]
    if links:
        yield ""
        yield out.table(["FROM", "", "TO", "KIND", "TOPIC"], links)
    yield ""
    yield out.table(
        ["INSTANCE", "MODEL", "SOCKET", "ADDRESS"],
        [
            [instance, *row]
            for instance, addresses in content["addresses"].items()
            for row in _rows(addresses)
        ],
    )


def _rows(addresses: dict[str, Any]) -> Iterator[list[str]]:
    for kind, sides in addresses.items():
        for side, models in sides.items():
            for name, sockets in models.items():
                given = sockets if isinstance(sockets, dict) else {name: sockets}
                for socket, address in given.items():
                    several = address if isinstance(address, list) else [address]
                    yield [escaped(f"{kind}/{side}/{name}"), socket, " ".join(several)]
