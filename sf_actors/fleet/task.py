"""What a child of `up` is told to run."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sf_actors.fleet.fleet import FleetService


@dataclass(frozen=True, kw_only=True)
class Task:
    """One instance, ready to be run.

    :ivar name: of the instance: `pricer#2`
    :ivar number: what its config is told; None where that declares no `instance`
    :ivar addresses: as in an addresses file; of a bus those of its two sockets, by name
    :ivar keys: the folder of its CURVE keys, or None
    :ivar takes_signals: whether it takes SIGINT and SIGHUP also where who started it does not
    """

    name: str
    service: FleetService
    number: int | None = None
    addresses: Mapping[str, Any] = field(default_factory=dict)
    keys: Path | None = None
    takes_signals: bool = False

    def packed(self) -> bytes:
        """Return it as bytes, for a child of the same package."""
        return pickle.dumps(self)


def unpacked(packed: bytes) -> Task:
    """Return the task of bytes that came from the process which started this one."""
    task: Task = pickle.loads(packed)  # noqa: S301 - our own parent's, over a channel of ours
    return task
