"""Findings: errors and warnings about a fleet, each with a code."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict


class Finding(Struct, frozen=True):
    """One error or warning.

    :ivar code: such as 'E101'; codes that begin with W are warnings
    :ivar model: '' if it is about the whole service
    :ivar message: what was expected, what was found, and what to do
    :ivar at: the place in a file, such as 'exchange.py:12'
    :ivar other_at: the place on the other side, if there is one
    """

    code: str
    service: str
    model: str
    message: str
    at: str = ""
    other_at: str | None = None

    def __str__(self) -> str:
        place = f"{self.at}: " if self.at else ""
        other = f" [{self.other_at}]" if self.other_at else ""
        about = f" {self.subject}" if self.subject else ""
        return f"{place}{self.code}{about}: {self.message}{other}"

    @property
    def subject(self) -> str:
        """The subject: 'exchange/orders', 'exchange', or '' for the fleet."""
        return f"{self.service}/{self.model}" if self.model else self.service

    @property
    def is_error(self) -> bool:
        """True for an error, with which the fleet would not work; False for a warning."""
        return self.code.startswith("E")

    @property
    def may_be_ignored(self) -> bool:
        """True if an entry of `ignore` can hide it."""
        return not self.code.startswith(("E1", "E4", "E5"))

    def as_dict(self) -> dict[str, Any]:
        """Return the form that `check --json` prints."""
        return asdict(self)


def shown_place(place: str) -> str:
    """Return a place relative to the working directory if it is below it."""
    with suppress(OSError):
        return place.removeprefix(f"{Path.cwd()}/")
    return place
