"""The table of `top`: its columns, their order and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.figures import duration, latency, phase_colour, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEAD: Final = (
    "SERVICE",
    "PID",
    "PHASE",
    "UPTIME",
    "RECV/S",
    "SENT/S",
    "QUEUED",
    "FAILED",
    "DROPPED",
    "P50",
    "P99",
    "CPU",
    "RSS",
    "STATES",
)
RIGHT: Final = range(3, 13)

#: The column that each key sorts by; all but the name in descending order.
SORTS: Final[dict[str, str]] = {
    "n": "service",
    "r": "received_per_s",
    "f": "failed",
    "d": "dropped",
    "p": "p99_s",
}


def ordered(rows: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return rows sorted by a column, then by name.

    :param key: one of `SORTS`
    """
    column = SORTS[key]
    by_name = sorted(rows, key=lambda row: (row["service"], row["pid"] or 0))
    if column == "service":
        return by_name
    return sorted(
        by_name, key=lambda row: -1.0 if row[column] is None else row[column], reverse=True
    )


def cells_of(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the texts of a row."""
    cpu = row["cpu"]
    return (
        row["service"],
        str(row["pid"] or "-"),
        "NO ANSWER" if row["phase"] is None else row["phase"],
        duration(row["uptime_s"]),
        *(
            short(row[key])
            for key in ("received_per_s", "sent_per_s", "queued", "failed", "dropped")
        ),
        latency(row["p50_s"]),
        latency(row["p99_s"]),
        "-" if cpu is None else f"{cpu * 100:.0f}%",
        short(row["rss_bytes"]),
        " ".join(f"{phase} {n}" for phase, n in (row["states"] or {}).items()) or "-",
    )


def colours_of(row: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the coloured columns of a row, each with its colour."""
    yield 2, phase_colour(row["phase"])
    if row["failed"]:
        yield 7, "bad"
    if row["dropped"]:
        yield 8, "odd"
    if set(row["states"] or {}) - {"LIVE"}:
        yield 13, "odd"
