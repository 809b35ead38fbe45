"""The messages of the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sf_actors.errors import InvalidMessage


@dataclass(frozen=True)
class Delta:
    epoch: int
    count: int
    is_snapshot: bool
    fields: dict[str, Any]
    given: int | None = None
    is_damaged: bool = False

    @property
    def number(self) -> int:
        return self.count if self.given is None else self.given

    @property
    def own_count(self) -> int | None:
        return None if self.given is None else self.count

    def read(self) -> dict[str, Any]:
        if self.is_damaged:
            raise InvalidMessage("damaged on its way")
        copy: dict[str, Any] = thaw_plain(self.fields)
        return copy


@dataclass(frozen=True)
class Heartbeat:
    epoch: int
    head: int
    digest: bytes | None
    is_loading: bool = False
    interval_s: float | None = None


@dataclass(frozen=True)
class Whole:
    token: int
    epoch: int
    count: int
    given: int | None
    value: dict[str, Any]
    is_loading: bool = False


@dataclass(frozen=True)
class Fill:
    token: int
    epoch: int
    deltas: list[Delta]
    own_count: int | None


def thaw_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: thaw_plain(item) for key, item in value.items()}
    return [thaw_plain(item) for item in value] if isinstance(value, list) else value
