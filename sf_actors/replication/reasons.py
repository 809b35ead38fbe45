"""The reasons why a replica is not LIVE."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """The kinds of reasons; texts of one kind may differ."""

    UNANSWERED = "unanswered"
    """Nobody has answered at the snapshot address for `stale_after_s`."""

    REFUSED = "refused"
    """The answer is an error, for example because the snapshot is too large, or is unreadable."""

    INVALID = "invalid"
    """An update or a snapshot cannot be applied, mostly since its fields fail the model."""

    LACKING = "lacking"
    """The publisher's model lacks a required field."""

    OTHER_ANSWERS = "other answers"
    """The answers come from another publisher than the updates."""

    TWO_PUBLISHERS = "two publishers"
    """There are two publishers. The replica may be LIVE with the value of the followed one."""

    LOADING = "loading"
    """The publisher has not published since its start, but will."""

    SILENT = "silent"
    """Nothing has been heard for `stale_after_s`: the replica is STALE."""

    DIGESTS = "digests"
    """Digests differ although a snapshot was taken. The replica is LIVE all the same."""
