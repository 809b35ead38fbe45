"""The rows of `ps` and `top`, computed from two readings of a service's numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sf_actors.inspection.client import Responder

#: The columns of `ps`, and those that `top` adds.
PS_KEYS: Final = (
    "service",
    "pid",
    "phase",
    "started_at",
    "uptime_s",
    "received_per_s",
    "failed",
    "dropped",
    "states",
)
TOP_KEYS: Final = (
    "sent_per_s",
    "queued",
    "p50_s",
    "p99_s",
    "cpu",
    "rss_bytes",
)


def counters_of(stats: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the counters of each model of a service."""
    for kind in ("connections", "states"):
        for side in ("in", "out"):
            yield from stats.get(kind, {}).get(side, {}).values()


def total(stats: dict[str, Any], key: str) -> int:
    """Return the sum of a counter over all models."""
    return sum(counters.get(key) or 0 for counters in counters_of(stats))


def dropped(stats: dict[str, Any]) -> int:
    """Return how many messages were dropped, for any reason."""
    return sum(sum((one.get("dropped") or {}).values()) for one in counters_of(stats))


def states_of(stats: dict[str, Any]) -> dict[str, int]:
    """Return how many replicas are in each phase."""
    found: dict[str, int] = {}
    for counters in stats.get("states", {}).get("in", {}).values():
        phase = str((counters.get("status") or {}).get("phase"))
        found[phase] = found.get(phase, 0) + 1
    return found


def silent_row(responder: Responder, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the row for a process that does not answer."""
    return dict.fromkeys(keys) | {"service": responder.name, "pid": responder.pid}


def row_of(pid: int | None, stats: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the row of a service for `ps`.

    :param stats: its numbers now
    :param before: those of the previous reading of the same run, None without one
    """
    uptime_s = stats["uptime_s"]
    return {
        "service": stats["service"],
        "pid": pid,
        "phase": stats["phase"],
        "started_at": _iso_time(time() - uptime_s),
        "uptime_s": uptime_s,
        "received_per_s": rate("received", stats, before),
        "failed": total(stats, "failed"),
        "dropped": dropped(stats),
        "states": states_of(stats),
    }


def _iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def top_row_of(
    row: dict[str, Any],
    stats: dict[str, Any],
    before: dict[str, Any] | None,
    process: dict[str, Any],
    cpu: float | None,
) -> dict[str, Any]:
    """Return a row of `ps` with the further columns of `top`.

    :param process: the numbers of its process
    :param cpu: how many processors the process uses, None while unknown
    """
    buckets, highest = _durations(stats)
    recent, _ = _durations(before) if before is not None else ({}, 0.0)
    lately = {bound: number - recent.get(bound, 0) for bound, number in buckets.items()}
    # if nothing was handled between the two readings, all calls of the run count
    counted = list((lately if any(lately.values()) else buckets).items())
    return row | {
        "sent_per_s": rate("sent", stats, before),
        "queued": stats["router"]["queued"],
        "p50_s": quantile(counted, 0.5, highest),
        "p99_s": quantile(counted, 0.99, highest),
        "cpu": cpu,
        "rss_bytes": process.get("rss_bytes"),
    }


def _durations(stats: dict[str, Any]) -> tuple[dict[Any, int], float]:
    """Return the summed buckets of all handlers of a service, and their longest call."""
    found: dict[Any, int] = {}
    highest = 0.0
    for counters in counters_of(stats):
        took = counters.get("handler_s") or {}
        highest = max(highest, took.get("max") or 0.0)
        for bound, number in took.get("buckets", ()):
            found[bound] = found.get(bound, 0) + number
    return found, highest


def rate(key: str, stats: dict[str, Any], before: dict[str, Any] | None) -> float | None:
    """Return a counter's growth per second between two readings of one run."""
    if before is None:
        return None
    seconds: float = stats["uptime_s"] - before["uptime_s"]
    if seconds <= 0:
        # the service was restarted
        return None
    return max(0.0, (total(stats, key) - total(before, key)) / seconds)


def duration(seconds: float | None) -> str:
    """Format seconds for people: 5s, 3m20s, 2h05m, 3d04h."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def short(number: float | None) -> str:
    """Format a number in a few characters: 0, 3.2, 1540, 12.3k, 4.5M."""
    if number is None:
        return "-"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= limit:
            scale = {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{number / scale:.1f}{unit}"
    if number == int(number) or number >= 100:
        return f"{number:.0f}"
    return f"{number:.1f}"


def latency(seconds: float | None) -> str:
    """Format a latency in a few characters, with a fitting unit."""
    if seconds is None:
        return "-"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f}us"
    if seconds < 1:
        return f"{seconds * 1e3:.1f}ms"
    return f"{seconds:.2f}s"


def quantile(buckets: Sequence[Sequence[Any]], share: float, highest: float) -> float | None:
    """Return a quantile of durations in seconds, None if there are no durations.

    :param buckets: as in `handler_s`: `[upper bound, count]`, the last bound None
    :param share: which quantile, from 0 to 1
    :param highest: the longest duration, in seconds
    """
    count = sum(number for _, number in buckets)
    if count <= 0:
        return None
    wanted, below, lower = share * count, 0, 0.0
    for bound, number in buckets:
        upper = highest if bound is None else min(bound, highest)
        if number and below + number >= wanted:
            return float(max(lower, lower + (upper - lower) * (wanted - below) / number))
        below += number
        lower = upper
    return highest


def phase_colour(phase: str | None) -> str:
    """Return the colour of a service's phase."""
    return {"READY": "good", None: "bad", "FAILED": "bad"}.get(phase, "odd")
