"""`graph`: shows services and the connections between them, as text or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sf_actors.cli.fleets import report_findings
from sf_actors.cli.output import Output, to_json
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.service_files import add_service_files, read_outlines
from sf_actors.cli.stderr import report
from sf_actors.errors import DefinitionError, SfActorsError, UsageError
from sf_actors.inspection.graph.dot import dot_of
from sf_actors.inspection.graph.drawing import drawing_of
from sf_actors.inspection.graph.ends import ends_of_outline
from sf_actors.inspection.graph.joining import joined
from sf_actors.inspection.graph.mermaid import mermaid_of
from sf_actors.inspection.graph.model import Graph, Node
from sf_actors.inspection.graph.running import graph_of_infos, read_infos
from sf_actors.inspection.graph.text import text_of
from sf_actors.wording import nearest, reason_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: Output format -> the file suffixes that select it.
_ENDINGS: Final = {
    "text": (".txt",),
    "mermaid": (".mmd", ".mermaid"),
    "dot": (".dot", ".gv"),
    "json": (".json",),
    "svg": (".svg",),
}
#: The suffix of a fleet's file.
_FLEET: Final = ".toml"
_BY_ENDING: Final = {ending: form for form, endings in _ENDINGS.items() for ending in endings}


def run(argv: Sequence[str]) -> int:
    """Print the graph of a fleet, of service files, or of the services that run here."""
    parser = verb_parser(
        "graph",
        "Show services and what joins them: of a fleet's file, of service files, or, without any,\n"
        "of what runs here.",
        example="sf_actors graph exchange.py trader.py -a addresses.json -o market.svg",
        has_json=False,
    )
    add_remote_flags(parser)
    add_service_files(parser, nargs="*")
    forms = parser.add_mutually_exclusive_group()
    for form, endings in _ENDINGS.items():
        is_default = " (the default)" if form == "text" else ""
        forms.add_argument(
            f"--{form}",
            dest="form",
            action="store_const",
            const=form,
            help=f"as {form}{is_default}; the form of a file that ends with {' or '.join(endings)}",
        )
    parser.add_argument("-o", dest="out", metavar="FILE", help="write it to a file")
    arguments = parsed(parser, argv)
    if arguments.fleet is not None:
        if arguments.files:
            raise UsageError("--fleet: expected no files beside it, got some")
        arguments.files = [arguments.fleet]
    form = arguments.form or _form_of(arguments.out)
    graph = _of_files(arguments) if arguments.files else _of_what_runs(arguments)
    written = _written(graph, form)
    if arguments.out is None:
        Output().write(written)
        return 0
    try:
        Path(arguments.out).write_text(written, encoding="utf-8")
    except OSError as error:
        raise SfActorsError(f"-o: cannot write {arguments.out!r}: {reason_of(error)}") from None
    return 0


def _form_of(out: str | None) -> str:
    if out is None:
        return "text"
    ending = Path(out).suffix.lower()
    if ending not in _BY_ENDING:
        raise UsageError(
            f"-o: expected a file that ends with {', '.join(_BY_ENDING)}, or the form as a flag, "
            f"got {out!r}{nearest(ending, _BY_ENDING)}"
        )
    return _BY_ENDING[ending]


def _of_files(arguments: argparse.Namespace) -> Graph:
    if arguments.at is not None:
        raise UsageError("--at: expected no service files beside it, got some")
    if arguments.fleet or any(file.endswith(_FLEET) for file in arguments.files):
        return _of_fleet(arguments)
    outlines = read_outlines(arguments)
    services = [Node(outline.name, outline.file) for outline in outlines]
    return joined(services, [end for outline in outlines for end in ends_of_outline(outline)])


def _of_fleet(arguments: argparse.Namespace) -> Graph:
    """Return the graph of a fleet, with its links as edges.

    :raises DefinitionError: a service of it cannot be read
    """
    from sf_actors.fleet.fleet_file import read_fleet  # noqa: PLC0415 - with a fleet alone
    from sf_actors.fleet.graph import graph_of_fleet  # noqa: PLC0415
    from sf_actors.fleet.linking import link  # noqa: PLC0415
    from sf_actors.fleet.reading import read_services  # noqa: PLC0415

    if len(arguments.files) > 1 or arguments.addresses or arguments.configs:
        raise UsageError("expected a fleet's file alone, got further files")
    fleet = read_fleet(arguments.files[0])
    read = read_services(fleet)
    for finding in read.findings:
        raise DefinitionError(str(finding))
    linked = link(fleet, read.outlines)
    report_findings(linked.findings)
    return graph_of_fleet(fleet, read.outlines, linked)


def _of_what_runs(arguments: argparse.Namespace) -> Graph:
    if arguments.addresses or arguments.configs:
        raise UsageError("-a, -c: expected service files beside them, got none")
    with RemoteServices.of(arguments) as remote:
        inspectors = remote.inspectors()
        found = read_infos(remote.client, inspectors, remote.timeout_s)
    for inspector in inspectors:
        if inspector not in found:
            report(f"{inspector}: NO ANSWER")
    return graph_of_infos(info for infos in found.values() for info in infos)


def _written(graph: Graph, form: str) -> str:
    if form == "json":
        return to_json(graph.as_dict()) + "\n"
    if form == "svg":
        return drawing_of(graph).svg()
    return {"text": text_of, "mermaid": mermaid_of, "dot": dot_of}[form](graph)
