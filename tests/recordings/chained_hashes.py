"""A count and a chain of hashes that travel in the state.

Order books heal themselves; these do not: ``h = sha256(h + number + delta)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def canonical(value: Any) -> str:
    """Return a text that is the same for equal deltas, exact to each digit of a Decimal."""
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{k}:{canonical(v)}" for k, v in value.items())) + "}"
    return f"{type(value).__name__} {value}"


class Witness:
    """The chain as far as it has got."""

    def __init__(self) -> None:
        self.n = -1
        self.h = ""

    def follow(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        """Return the witness with the next delta, which is without one."""
        self.n += 1
        self.h = sha256(f"{self.h}{self.n}{canonical(delta)}".encode()).hexdigest()
        return {"n": self.n, "h": self.h}
