"""The status of a replica: its phase and counters."""

from __future__ import annotations

import enum

import msgspec


class Phase(enum.StrEnum):
    """How far the replica's value can be trusted."""

    SYNCING = "SYNCING"
    """The current value is being fetched; until then it is an earlier one or none."""

    LIVE = "LIVE"
    """The value is the publisher's, up to the last update heard."""

    STALE = "STALE"
    """Nothing has been heard for `stale_after_s`; the value is the last one known."""


class Status(msgspec.Struct, frozen=True):
    """The state of a replica at one moment.

    :ivar phase: how far the value can be trusted at that moment: never LIVE if `age_s` is above the
        `stale_after_s` in force, even if the silence has not been noticed yet
    :ivar number: number of the last update in the value; -1 before the first
    :ivar epoch: number of the publisher's run that the value comes from, larger for later runs;
        None before the first value and for publishers without epochs
    :ivar age_s: seconds since the publisher's last sign of life; None before the first
    :ivar gaps: how often updates were missing
    :ivar resyncs: snapshots taken after the first synchronisation
    :ivar error: why the replica cannot follow its publisher, or None
    :ivar duplicates: updates dropped because the value had them already
    :ivar late: messages of an earlier run of the publisher and answers to dropped requests; of a
        full state also values older than the current one
    :ivar mismatches: how often a heartbeat's digest differed from the value's
    :ivar skipped: deltas whose number, given by the publisher's user, is not above the value's
    :ivar conflated: updates without a handler call of their own
    """

    phase: Phase
    number: int
    epoch: int | None
    age_s: float | None
    gaps: int
    resyncs: int
    error: str | None = None
    duplicates: int = 0
    late: int = 0
    mismatches: int = 0
    skipped: int = 0
    conflated: int = 0

    def as_dict(self) -> dict[str, str | int | float | None]:
        """Return the fields as plain texts and numbers."""
        return {**msgspec.structs.asdict(self), "phase": str(self.phase)}
