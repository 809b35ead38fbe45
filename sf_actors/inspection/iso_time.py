"""Times as texts."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time


def iso_time(seconds: float | None = None) -> str:
    """Format a time as in log lines: ISO 8601, UTC.

    :param seconds: since 1970; None: now
    """
    at = datetime.fromtimestamp(time() if seconds is None else seconds, UTC)
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
