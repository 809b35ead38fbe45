"""The counters of services in Prometheus' text format 0.0.4, computed at each scrape."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any, Final

from sf_actors.replication.status import Phase
from sf_actors.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: Family -> type and help, in the order in which they are written.
_FAMILIES: Final = {
    "sf_actors_info": ("gauge", "A service of this process, with versions."),
    "sf_actors_received_total": ("counter", "Messages taken from sockets."),
    "sf_actors_sent_total": ("counter", "Messages handed to sockets."),
    "sf_actors_handled_total": ("counter", "Calls of handlers, by how they ended."),
    "sf_actors_dropped_total": ("counter", "Messages dropped, by reason."),
    "sf_actors_missed_total": ("counter", "Messages that a subscriber did not get."),
    "sf_actors_timeouts_total": ("counter", "Attempts of calls without a reply in time."),
    "sf_actors_retries_total": ("counter", "Attempts of calls after the first."),
    "sf_actors_restarts_total": ("counter", "Actors that were restarted."),
    "sf_actors_state_gaps_total": ("counter", "Gaps that a replica has seen."),
    "sf_actors_queued": ("gauge", "Calls that wait for a handler."),
    "sf_actors_in_flight": ("gauge", "Calls under way."),
    "sf_actors_peers": ("gauge", "Connected peers."),
    "sf_actors_state_phase": ("gauge", "The phase of a replica: 1 for the present one."),
    "sf_actors_state_age_seconds": ("gauge", "Seconds since the publisher's last sign of life."),
    "sf_actors_state_number": ("gauge", "Number of the last update in the value."),
    "sf_actors_handler_seconds": ("histogram", "Durations of handlers."),
}
#: Key of `Service.stats()` -> family, for values that are samples as they are.
_PLAIN: Final = {
    "received": "sf_actors_received_total",
    "sent": "sf_actors_sent_total",
    "missed": "sf_actors_missed_total",
    "timeouts": "sf_actors_timeouts_total",
    "retries": "sf_actors_retries_total",
    "restarts": "sf_actors_restarts_total",
    "queued": "sf_actors_queued",
    "in_flight": "sf_actors_in_flight",
    "peers": "sf_actors_peers",
}
_OUTCOMES: Final = {"handled": "ok", "failed": "failed", "refused": "refused"}

#: A series of a family: the suffix of its name, its labels and its value.
Sample = tuple[str, dict[str, str], float | None]


def text_of(all_stats: Iterable[Mapping[str, Any]]) -> str:
    """Return the metrics of services.

    :param all_stats: `Service.stats()` of each, with unique names
    """
    found: dict[str, list[Sample]] = {family: [] for family in _FAMILIES}
    for stats in all_stats:
        for family, sample in _of_service(stats):
            found[family].append(sample)
    return "".join(_written(family, samples) for family, samples in found.items())


def _of_service(stats: Mapping[str, Any]) -> Iterator[tuple[str, Sample]]:
    service = {"service": stats["service"]}
    versions = {"version": VERSION, "python": platform.python_version()}
    yield "sf_actors_info", ("", {**service, **versions}, 1)
    yield from _of_model(stats["router"], {**service, "side": "", "model": ""})
    for kind, other in (("connections", "states"), ("states", "connections")):
        for side, models in stats[kind].items():
            for name, numbers in models.items():
                # a connection and a state with the same name must not become one series
                model = f"{kind}/{name}" if name in stats[other][side] else name
                yield from _of_model(numbers, {**service, "side": side, "model": model})


def _of_model(numbers: Mapping[str, Any], labels: dict[str, str]) -> Iterator[tuple[str, Sample]]:
    for key, value in numbers.items():
        if key in _PLAIN:
            yield _PLAIN[key], ("", labels, value)
        elif key in _OUTCOMES:
            yield "sf_actors_handled_total", ("", {**labels, "outcome": _OUTCOMES[key]}, value)
        elif key == "dropped":
            for reason, count in value.items():
                yield "sf_actors_dropped_total", ("", {**labels, "reason": reason}, count)
        elif key == "handler_s":
            for sample in _histogram(value, labels):
                yield "sf_actors_handler_seconds", sample
        elif key == "status":
            yield from _of_replica(value, labels)


def _of_replica(status: Mapping[str, Any], labels: dict[str, str]) -> Iterator[tuple[str, Sample]]:
    for phase in Phase:
        is_present = status["phase"] == phase
        yield "sf_actors_state_phase", ("", {**labels, "phase": str(phase)}, int(is_present))
    yield "sf_actors_state_age_seconds", ("", labels, status["age_s"])
    yield "sf_actors_state_number", ("", labels, status["number"])
    yield "sf_actors_state_gaps_total", ("", labels, status["gaps"])


def _histogram(durations: Mapping[str, Any], labels: dict[str, str]) -> Iterator[Sample]:
    below = 0
    for bound, count in durations["buckets"]:
        below += count
        yield "_bucket", {**labels, "le": "+Inf" if bound is None else str(bound)}, below
    yield "_sum", labels, durations["sum"]
    # not `count`: the buckets may have grown since it was read
    yield "_count", labels, below


def _written(family: str, samples: Iterable[Sample]) -> str:
    kind, help_ = _FAMILIES[family]
    lines = [f"# HELP {family} {help_}", f"# TYPE {family} {kind}"]
    for suffix, labels, value in samples:
        if value is not None:  # None: unknown
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{family}{suffix}{{{inside}}} {value!r}")
    # the family exists even without series, so that queries find it before the first loss
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
