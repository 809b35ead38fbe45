"""`web`: serves a page with the live graph of the services that run here."""

from __future__ import annotations

import os
import select
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from sf_actors.cli.flags import text_of
from sf_actors.cli.fleet_processes import FleetProcesses
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import Terminated
from sf_actors.cli.signalled import signalled
from sf_actors.cli.stderr import report
from sf_actors.cli.web.live_graph import LiveGraph
from sf_actors.cli.web.pages import Pages
from sf_actors.inspection.graph.drawing import drawing_of
from sf_actors.inspection.graph.model import Graph
from sf_actors.inspection.http.listener import Listener
from sf_actors.inspection.inspectors import inspectors_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.inspection.client import Responder

ADDRESS = "127.0.0.1:8600"


def run(argv: Sequence[str]) -> int:
    """Serve the page until a signal."""
    parser = verb_parser(
        "web",
        "Serve a page with the live graph of what runs on this machine. Nothing is read while no "
        "page is open. It needs the extra 'graph'.",
        example="sf_actors web --http 127.0.0.1:8600",
        has_json=False,
        has_timeout=False,
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        default=ADDRESS,
        type=text_of,
        help=f"where the page is (default {ADDRESS}); port 0: a free one",
    )
    parser.add_argument(
        "--http-host",
        "--http_host",
        metavar="NAME",
        action="append",
        default=[],
        type=text_of,
        help="a host name that the page accepts, besides localhost and IP addresses",
    )
    add_fleet(parser)
    arguments = parsed(parser, argv)
    inspectors: Callable[[], list[Responder]] = inspectors_here
    if arguments.fleet is not None and (fleet := FleetProcesses.of(arguments)) is not None:
        inspectors = partial(_inspectors_of, fleet)
    # fail now, not at the first request, if the extra is missing
    drawing_of(Graph((), (), ()))
    inspectors_here()
    try:
        _serve(arguments.http, arguments.http_host, inspectors)
    except Terminated:
        return 0
    return 0


def _inspectors_of(fleet: FleetProcesses) -> list[Responder]:
    return fleet.of_it(inspectors_here())


def _serve(address: str, hosts: Sequence[str], inspectors: Callable[[], list[Responder]]) -> None:
    """Serve the page until a signal handler raises in this thread."""
    with closing(LiveGraph(inspectors)) as graph:
        listener = Listener(address, Pages(graph).answer, hosts=hosts, where="--http")
        with closing(listener), signalled() as signal_fd:
            report(f"web: http://{listener.address}/")
            while True:
                select.select([signal_fd], [], [])
                # still here: the signal's handler did not raise, so go on
                os.read(signal_fd, 1_024)
