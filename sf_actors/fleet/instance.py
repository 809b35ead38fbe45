"""The rules and the state of an instance in the course of its fleet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sf_actors.fleet.restarts import Restart, Restarts


class InstancePhase(StrEnum):
    """The phase of an instance."""

    WAITS = "WAITS"
    STARTS = "STARTING"
    READY = "READY"
    STOPS = "STOPPING"
    RESTARTS = "RESTARTS"
    ENDED = "ENDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


#: The phases with a process.
RUNNING: Final = frozenset({InstancePhase.STARTS, InstancePhase.READY, InstancePhase.STOPS})


@dataclass(frozen=True)
class Member:
    """The rules of an instance for the course.

    :ivar name: unique, such as `pricer#2`
    :ivar after: the services that must be READY, or have ended with 0, before its first start
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
class InstanceState:
    """The state of an instance.

    :ivar reason: why it does not run, as `ps` shows it
    :ivar due: when it will be restarted or killed, in seconds
    :ivar runs_again: restart it after its stop
    :ivar status: the status of its last end
    :ivar was_killed: its last stop exceeded the deadline
    :ivar began: when it was last started, in seconds
    """

    member: Member
    restarts: Restarts
    phase: InstancePhase = InstancePhase.STOPPED
    reason: str = "not started"
    due: float | None = None
    runs_again: bool = False
    status: int | None = None
    was_killed: bool = False
    began: float = 0.0
