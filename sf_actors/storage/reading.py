"""Reads a value back from its file, in pieces, so that other threads can run in between."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from sf_actors.replication.values.pending import PendingPatches
from sf_actors.storage.contents import Misfit, joined
from sf_actors.storage.file import LOOK_AT_DISK, described
from sf_actors.storage.layout import Damaged, Head, footprint, read_entries, read_head, rows
from sf_actors.wire.msgpack import items_of
from sf_actors.wording import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.schema.shape import Record
    from sf_actors.storage.contents import Contents
    from sf_actors.storage.file import StoreFile

#: Errors for want of space, of memory or of rights, or of a disk that fails. A write-ahead log is
#: read with the help of a further file, for which there may be no space.
_OF_DISK: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
#: ... but for these: the file was cut.
_OF_FILE: Final = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ})

#: The bits of an error's code that hold its kind; the others say more.
_PRIMARY: Final = 0xFF


class StoredValue(NamedTuple):
    """The content of a file.

    :ivar value: frozen; the state's initial one if there has been no update
    :ivar number: the number of the last update, -1 before the first
    :ivar last: the count of the last update, over all runs
    :ivar epoch: the epoch of the last run, None if there has been none
    """

    value: Map[str, Any]
    number: int
    last: int
    epoch: int | None


class Position(NamedTuple):
    """The position in a file from which its writer continues.

    :ivar last: the count of the last update in it
    :ivar log_bytes: about how many bytes of the file the log takes
    """

    head: Head
    last: int
    log_bytes: int


def read(file: StoreFile, contents: Contents, shape: Record) -> tuple[StoredValue, Position]:
    """Return the content of a file, and the position from which its writer continues.

    Runs in the thread that starts the service.

    :raises StoreError: it is damaged, or does not fit the model
    """
    try:
        connection = file.reading()
        try:
            connection.execute("BEGIN")
            trouble = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
            if trouble != ["ok"]:
                raise Damaged(str(trouble[0]).splitlines()[-1] if trouble else "it is malformed")
            head = read_head(connection)
            held = PendingPatches(
                shape, joined(contents.initial, _parts(connection, head, contents))
            )
            number, last, log_bytes = _apply_log(connection, head, contents, held)
            if last:
                contents.require_fitting(held.value, head.required)
        finally:
            file.read()
    except Misfit as misfit:
        advice = "make the model fit, or move the file away to begin with an empty state"
        raise file.refused("a value that fits the model", f"another: {misfit}", advice) from None
    except (Damaged, sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError) as fault:
        if isinstance(fault, sqlite3.OperationalError) and "lock" in str(fault):
            raise file.refused("a file of our own", cut(str(fault)), "end that program") from None
        if _is_of_disk(fault):
            raise file.refused("a file that can be read", described(fault), LOOK_AT_DISK) from None
        raise file.refused(
            "a store as it was written", f"a damaged one: {cut(str(fault), 200)}"
        ) from None
    kept = StoredValue(held.value, number, last, head.epoch or None)
    return kept, Position(head, last, log_bytes)


def _is_of_disk(fault: Exception) -> bool:
    """Return True for an error that says nothing about what is in the file."""
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & _PRIMARY in _OF_DISK and code not in _OF_FILE


def _parts(
    connection: sqlite3.Connection, head: Head, contents: Contents
) -> Iterator[dict[str, Any]]:
    count = 0
    for _, index, body in rows(connection, "pieces", "series = ?", head.generation):
        if index != count:
            raise Damaged("rows of the value are missing")
        count += 1
        for piece in items_of(body):
            yield contents.part(bytes(piece))
    if count != head.rows:
        raise Damaged(f"expected {head.rows} rows of the value, got {count}")


def _apply_log(
    connection: sqlite3.Connection, head: Head, contents: Contents, held: PendingPatches
) -> tuple[int, int, int]:
    """Apply the updates of the log; return the last one's number and count, and the log's bytes."""
    number, count, size = head.number, head.base, 0
    for first, last, body in rows(connection, "log", "series = ? AND b > ?", head.chain, head.base):
        if first != count + 1:
            raise Damaged(f"expected update {count + 1}, got {first}")
        for entry in read_entries(body):
            contents.apply(held, entry)
            number = entry.number
        count = last
        size += footprint(len(body))
    return number, count, size
