"""`health`: checks that a service is ready and that none of its handlers is stuck, for probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import duration
from sf_actors.cli.flags import seconds_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags, service_named
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long a handler may run, in seconds, if its process does not say.
STUCK_AFTER_S = 60.0


def run(argv: Sequence[str]) -> int:
    """Return 0 if a service is healthy; else print the reason, and return 1."""
    parser = verb_parser(
        "health",
        "End with 0 if a service is READY and no handler of it (main apart) is stuck, else with 1 "
        "and the reason.",
        example="sf_actors health exchange",
    )
    add_remote_flags(parser)
    parser.add_argument(
        "--stuck-after",
        type=seconds_of,
        metavar="SECONDS",
        help="how long a handler may run (0: for ever; by default as for /livez)",
    )
    parser.add_argument("service", metavar="SERVICE", help="a service that runs")
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    with RemoteServices.of(arguments) as remote:
        service = service_named(remote, arguments.service)
        answer = remote.ask(service, "stats")
    stuck_after_s = arguments.stuck_after
    if stuck_after_s is None:
        stuck_after_s = answer.get("stuck_after_s", STUCK_AFTER_S)
    reason = reason_against(answer, stuck_after_s)
    if out.as_json:
        out.emit({"service": service.name, "healthy": not reason, "reason": reason or None})
    elif reason:
        report(f"{service}: {reason}")
    else:
        out.line("healthy")
    return FAILED if reason else 0


def reason_against(answer: dict[str, Any], stuck_after_s: float) -> str:
    """Return why a service is not healthy, an empty text if it is.

    :param answer: its `stats`
    :param stuck_after_s: how long a handler may run, in seconds; 0: for ever
    """
    phase = answer["service"]["phase"]
    if phase != "READY":
        return f"expected READY, it is {phase}"
    for call in answer.get("running") or ():
        is_main = call["model"] in {"main", "main()"}
        if stuck_after_s and not is_main and call["since_s"] > stuck_after_s:
            return f"{call['model']} runs for {duration(call['since_s'])} at {call['at']}"
    return ""
