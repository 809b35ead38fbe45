"""`stats`: prints the numbers of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.figures import duration, latency, phase_colour, quantile, short
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.polling import pause
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags, service_named
from sf_actors.cli.shell import Terminated
from sf_actors.errors import TargetError
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Between two readings of `-w`, in seconds.
EVERY_S = 1.0

_HEAD = (
    "MODEL",
    "RECEIVED",
    "SENT",
    "HANDLED",
    "FAILED",
    "DROPPED",
    "QUEUED",
    "P50",
    "P99",
    "MORE",
)
#: Counters that are shown only if they are not 0.
_SELDOM = (
    "missed",
    "timeouts",
    "retries",
    "deduplicated",
    "refused",
    "unknown_fields",
    "skipped",
    "conflated",
    "behind",
    "store_failed",
    "restarts",
    "in_flight",
)


def run(argv: Sequence[str]) -> int:
    """Print the numbers of a service, with `-w` each second."""
    parser = verb_parser(
        "stats",
        "Show the numbers of a service: what its models received, handled and dropped.",
        example="sf_actors stats exchange -w",
    )
    add_remote_flags(parser)
    parser.add_argument(
        "-w", "--watch", action="store_true", help="each second, until it is stopped"
    )
    parser.add_argument("service", metavar="SERVICE", help="a service that runs")
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    try:
        with RemoteServices.of(arguments) as remote:
            service = service_named(remote, arguments.service)
            _show(out, remote.ask(service, "stats"))
            while arguments.watch:
                pause(EVERY_S)
                if remote.is_gone(service.inspector):
                    raise TargetError(f"{service} has ended")
                _show(out, remote.ask(service, "stats"), is_again=True)
    except Terminated:
        if not arguments.watch:
            raise
    return 0


def _show(out: Output, answer: dict[str, Any], *, is_again: bool = False) -> None:
    if out.as_json:
        out.emit(answer)
    else:
        out.line("\n" * is_again + "\n".join(as_text(out, answer)))


def as_text(out: Output, answer: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of text for the `stats` of a service."""
    stats, process = answer["service"], answer.get("process") or {}
    phase = out.coloured(escaped(stats["phase"]), phase_colour(stats["phase"]))
    router = _figures(stats["router"])
    yield f"{escaped(stats['service'])}: {phase} for {duration(stats['uptime_s'])}; {router}"
    yield f"process: {_figures(process)}"
    for call in answer.get("running") or ():
        where = f"{call['model']} for {duration(call['since_s'])} at {call['at']}"
        # main is meant to run long
        colour = "" if call["model"] == "main" else "bad"
        yield out.coloured(f"runs long: {escaped(where)}", colour)
    rows = [
        _row(f"{side}/{name}", counters)
        for kind in ("connections", "states")
        for side in ("in", "out")
        for name, counters in stats[kind][side].items()
    ]
    yield out.table(_HEAD, rows, right=range(1, 9))
    for kind in ("connections", "states"):
        for side in ("in", "out"):
            for name, counters in stats[kind][side].items():
                if counters.get("last_error"):
                    error = escaped(f"{side}/{name}: {counters['last_error']}")
                    yield out.coloured(f"last error of {error}", "odd")


def _figures(numbers: dict[str, Any]) -> str:
    return escaped(", ".join(f"{name} {short(number)}" for name, number in numbers.items()))


def _row(name: str, counters: dict[str, Any]) -> tuple[str, ...]:
    dropped = counters.get("dropped")
    took = counters.get("handler_s") or {}
    quantiles = [
        latency(quantile(took.get("buckets", ()), share, took.get("max", 0.0)))
        for share in (0.5, 0.99)
    ]
    more = [f"{key} {short(counters[key])}" for key in _SELDOM if counters.get(key)]
    more += [f"{reason} {short(number)}" for reason, number in (dropped or {}).items() if number]
    status = counters.get("status")
    if status:
        more.insert(0, f"{status.get('phase')} {latency(status.get('age_s'))} old")
    if counters.get("peers") is not None:
        more.insert(0, f"peers {counters['peers']}")
    return (
        name,
        *(short(counters.get(key)) for key in ("received", "sent", "handled", "failed")),
        short(None if dropped is None else sum(dropped.values())),
        short(counters.get("queued")),
        *quantiles,
        ", ".join(more),
    )
