"""The task of a child of `up`: which instance to run, and how."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sf_actors.fleet.fleet import FleetService


class Task(Struct, frozen=True, kw_only=True):
    """One instance, ready to be run.

    :ivar name: of the instance, such as `pricer#2`
    :ivar number: the value of `instance` in its config; None if that is not declared
    :ivar addresses: as in an addresses file; for a bus those of its two sockets, by name
    :ivar keys: the folder of its CURVE keys, or None
    :ivar takes_signals: it handles SIGINT and SIGHUP even if its parent ignores them
    """

    name: str
    service: FleetService
    number: int | None = None
    addresses: Mapping[str, Any] = field(default_factory=dict)
    keys: Path | None = None
    takes_signals: bool = False

    def packed(self) -> bytes:
        """Return it as bytes, for a child with the same version of the package."""
        return pickle.dumps(self)


def unpacked(packed: bytes) -> Task:
    """Return the task from bytes that the parent process sent."""
    task: Task = pickle.loads(packed)  # noqa: S301 - our own parent's, over a channel of ours
    return task
