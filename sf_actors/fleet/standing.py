"""An instance as its course sees it: its rules, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sf_actors.fleet.restarts import Restart, Restarts


class Phase(StrEnum):
    """How far an instance is."""

    WAITS = "WAITS"
    STARTS = "STARTING"
    READY = "READY"
    STOPS = "STOPPING"
    RESTARTS = "RESTARTS"
    ENDED = "ENDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


#: What has a process.
RUNNING: Final = frozenset({Phase.STARTS, Phase.READY, Phase.STOPS})


@dataclass(frozen=True)
class Member:
    """An instance, as far as its course depends on it.

    :ivar name: unique: `pricer#2`
    :ivar after: the services that must be READY, or have ended with 0, before it starts first
    :ivar stop_timeout_s: how long its stop may take, in seconds
    """

    name: str
    service: str
    after: tuple[str, ...] = ()
    restart: Restart = "on-failure"
    ends_fleet: bool = False
    is_main: bool = False
    stop_timeout_s: float = 10.0


@dataclass
class Standing:
    """Where an instance stands.

    :ivar reason: why it does not run, as `ps` shows it
    :ivar due: when it is run again, or killed, in seconds
    :ivar runs_again: whether it is run again after its stop
    :ivar status: of its last end
    :ivar was_killed: whether its last stop ran over its deadline
    :ivar began: when it was started last, in seconds
    """

    member: Member
    restarts: Restarts
    phase: Phase = Phase.STOPPED
    reason: str = "not started"
    due: float | None = None
    runs_again: bool = False
    status: int | None = None
    was_killed: bool = False
    began: float = 0.0
