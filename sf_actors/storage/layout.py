"""The tables of a store's file and their rows, each with a checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Raw

from sf_actors.wire.messages import Cut  # noqa: TC001 - msgspec reads the annotation

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

#: Marks a store in the header of the file, so that no other database is taken for one.
APPLICATION_ID: Final = 0x53464153
FORMAT: Final = 1

PAGE_BYTES: Final = 4096

ROW_BYTES: Final = 64 * 1024
"""Size at which a row is full: no update or piece is added."""

CHUNK_BYTES: Final = 256 * 1024
"""Largest body of one row in SQLite; larger ones are divided."""

_COLUMNS: Final = 6

#: Rows deleted in one step.
_DELETED_AT_ONCE: Final = 16

#: Bytes of a row besides its body.
_ROW_EXTRA: Final = 24


class Damaged(Exception):
    """The file does not hold what was written to it."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head: which rows of the file are the value.

    :ivar epoch: epoch of the run that wrote last
    :ivar generation: generation of the pieces that are the value
    :ivar base: count of the last update in the pieces
    :ivar number: the state's own number of that update
    :ivar chain: chain of the updates in the log that follow; other chains do not belong to the
        value
    :ivar rows: number of rows of the pieces
    :ivar size: bytes of the pieces
    :ivar items: items of the value in the pieces, including those of its tables
    :ivar required: the fields that the model required
    """

    epoch: int = 0
    generation: int = 0
    base: int = 0
    number: int = -1
    chain: int = 0
    rows: int = 0
    size: int = 0
    items: int = 0
    required: tuple[str, ...] = ()


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An update in the log.

    :ivar content: the content of `state` as on the wire, or the same packed once more as bytes
    :ivar cuts: the runs of a large update
    """

    number: int
    is_whole: bool
    content: Raw
    cuts: list[Cut] | None = None


read_entries = msgspec.msgpack.Decoder(list[Entry]).decode
_read_head = msgspec.msgpack.Decoder(Head).decode
_pack_head = msgspec.msgpack.Encoder().encode


def create_tables(connection: sqlite3.Connection, head: Head) -> None:
    """Create the tables of a new file; the file is complete when this returns."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("BEGIN")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    for table in ("pieces", "log"):
        connection.execute(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, "
            "a INTEGER NOT NULL, b INTEGER NOT NULL, is_end INTEGER NOT NULL, "
            "crc INTEGER NOT NULL, body BLOB NOT NULL)"
        )
    connection.execute("CREATE TABLE head (id INTEGER PRIMARY KEY, crc INTEGER, body BLOB)")
    connection.execute("INSERT INTO head VALUES (1, 0, x'')")
    write_head(connection, head)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()


def write_head(connection: sqlite3.Connection, head: Head) -> None:
    """Replace the head."""
    body = _pack_head(head)
    connection.execute("UPDATE head SET crc = ?, body = ?", (crc32(body), body))


def read_head(connection: sqlite3.Connection) -> Head:
    """Return the head.

    :raises Damaged: it is not as it was written, by its checksum
    """
    rows = connection.execute("SELECT crc, body FROM head").fetchall()
    if len(rows) != 1 or type(rows[0][1]) is not bytes or crc32(rows[0][1]) != rows[0][0]:
        raise Damaged("the head fails its checksum")
    try:
        return _read_head(rows[0][1])
    except msgspec.MsgspecError as error:
        raise Damaged(f"the head cannot be read: {error}") from None


class Row(NamedTuple):
    """A row of `pieces` or `log`.

    :ivar a: the index of pieces; the count of the first update
    :ivar b: the index of pieces; the count of the last update
    :ivar series: the generation of pieces; the chain of updates
    """

    series: int
    a: int
    b: int
    body: bytes


def insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> int:
    """Append rows, all or none, and return about how many bytes of the file they take.

    One statement is one transaction, and takes the GIL once. Each further one might wait a whole
    switch interval for a thread that computes.
    """
    values: list[int | bytes] = []
    size = 0
    for series, a, b, body in rows:
        end = len(body)
        size += footprint(end)
        # SQLite holds the GIL while it copies a row, so divide a large one
        for start in range(0, end, CHUNK_BYTES):
            chunk = body[start : start + CHUNK_BYTES]
            is_end = int(start + CHUNK_BYTES >= end)
            values += (series, a, b, is_end, _checksum(series, a, b, is_end, chunk), chunk)
    if values:
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * (len(values) // _COLUMNS))
        connection.execute(
            f"INSERT INTO {table} (series, a, b, is_end, crc, body) VALUES {places}",  # noqa: S608
            values,
        )
    return size


def rows(
    connection: sqlite3.Connection, table: str, condition: str, *bounds: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield the rows that fulfil a condition, in the order of writing: a, b and body.

    :raises Damaged: one fails its checksum, or lacks its end
    """
    query = f"SELECT series, a, b, is_end, crc, body FROM {table} WHERE {condition} ORDER BY id"  # noqa: S608
    parts: list[bytes] = []
    begun: Any = None
    for series, a, b, is_end, crc, body in connection.execute(query, bounds):
        if type(body) is not bytes or crc != _checksum(series, a, b, is_end, body):
            raise Damaged(f"a row of {table} fails its checksum")
        if parts and begun != (a, b):
            raise Damaged(f"a row of {table} lacks its end")
        parts.append(body)
        begun = a, b
        if is_end:
            yield a, b, b"".join(parts) if len(parts) > 1 else body
            parts.clear()
    if parts:
        raise Damaged(f"a row of {table} lacks its end")


def delete_some(connection: sqlite3.Connection, table: str, condition: str, *bounds: int) -> bool:
    """Delete a few of the rows that fulfil a condition; return False if no more are left."""
    found = connection.execute(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {condition} "  # noqa: S608
        f"ORDER BY id LIMIT {_DELETED_AT_ONCE})",
        bounds,
    )
    return found.rowcount == _DELETED_AT_ONCE


def footprint(size: int) -> int:
    """Return about how many bytes of the file a row with a body of this size takes."""
    whole = size + _ROW_EXTRA
    return whole if whole < PAGE_BYTES // 2 else -(-whole // PAGE_BYTES) * PAGE_BYTES


def pages(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many pages the file has, and how many of them are free."""
    ((count,),) = connection.execute("PRAGMA page_count").fetchall()
    ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
    return count, free


def _checksum(series: Any, a: Any, b: Any, is_end: Any, body: bytes) -> int:
    return crc32(body, crc32(b"%a %a %a %a" % (series, a, b, is_end)))
