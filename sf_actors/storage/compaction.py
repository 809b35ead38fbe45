"""Writes a whole value beside the old one, step by step, and then removes the old one.

Each step is one statement, and so one transaction. A compaction that is broken off leaves unused
rows, which the next one removes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from sf_actors.storage.layout import PAGE_BYTES, ROW_BYTES, Row, delete_some, insert, pages
from sf_actors.wire.msgpack import array_header

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from sf_actors.storage.layout import Head

SMALL_BYTES: Final = 1024 * 1024
"""Bytes that the log may have however small the value is, and the file beyond its limit by size."""

STEP_BYTES: Final = 256 * 1024
"""Bytes of pieces that are written in one step."""

#: Pages that are returned to the disk in one step.
_PAGES_AT_ONCE: Final = 256


class Whole(NamedTuple):
    """A value to write whole.

    :ivar last: the count of the last update in it
    :ivar number: the number of that update
    :ivar items: its items, as `items_of` counts them
    :ivar pieces: its pieces; None at the end of a step without one
    """

    last: int
    number: int
    items: int
    pieces: Iterator[bytes | None]


def log_limit(head: Head) -> int:
    """Return how many bytes the log may have before the value is compacted."""
    return max(SMALL_BYTES, head.size // 2)


def file_limit(size: float) -> int:
    """Return how many bytes the file may have after a compaction, for a value of this size."""
    return int(size * 5 / 2) + SMALL_BYTES


def compacting(
    connection: sqlite3.Connection, head: Callable[[], Head], whole: Whole, chain: int
) -> Iterator[Head | None]:
    """Write a value and remove the old one; yield after each step.

    :param head: returns the current head
    :param chain: the chain of the updates that follow the value
    :returns: None after each step, except once the new head, which must then be written
    """
    yield from _swept(connection, head())
    generation = head().generation + 1
    count = size = 0
    for rows in _steps(whole.pieces):
        if rows:
            size += insert(
                connection,
                "pieces",
                [Row(generation, n, n, body) for n, body in enumerate(rows, count)],
            )
            count += len(rows)
        yield None
    yield msgspec.structs.replace(
        head(),
        generation=generation,
        base=whole.last,
        number=whole.number,
        chain=chain,
        rows=count,
        size=size,
        items=whole.items,
    )
    yield from _swept(connection, head())
    yield from _shrunk(connection, file_limit(size) // PAGE_BYTES)


def _steps(pieces: Iterable[bytes | None]) -> Iterator[list[bytes]]:
    """Yield the rows to write in each step; an empty list if the step has packed instead."""
    rows: list[bytes] = []
    row: list[bytes] = []
    row_bytes = 0
    for piece in pieces:
        if piece is None:
            yield []
            continue
        row.append(piece)
        row_bytes += len(piece)
        if row_bytes >= ROW_BYTES:
            rows.append(_joined(row))
            row, row_bytes = [], 0
            if sum(map(len, rows)) >= STEP_BYTES:
                yield rows
                rows = []
    if row:
        rows.append(_joined(row))
    yield rows


def _joined(pieces: list[bytes]) -> bytes:
    return b"".join((array_header(len(pieces)), *pieces))


def _swept(connection: sqlite3.Connection, head: Head) -> Iterator[None]:
    """Delete rows that do not belong to the value."""
    while delete_some(connection, "pieces", "series <> ?", head.generation):
        yield None
    while delete_some(connection, "log", "b <= ?", head.base):
        yield None


def _shrunk(connection: sqlite3.Connection, limit: int) -> Iterator[None]:
    """Return free pages to the disk while the file has more pages than its limit.

    The other free pages are kept, since the log will need them soon.
    """
    has_shrunk = False
    while True:
        count, free = pages(connection)
        too_many = min(count - limit, free, _PAGES_AT_ONCE)
        if too_many <= 0:
            break
        # `execute` would do only one step of it, which is a page
        connection.executescript(f"PRAGMA incremental_vacuum({too_many})")
        has_shrunk = True
        yield None
    if has_shrunk:
        # the file itself is cut when the write-ahead log is copied into it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
