"""What runs beside the instances that count."""

from __future__ import annotations

import signal
from typing import Any

from sf_actors.fleet.beside import Beside
from sf_actors.fleet.course import GRACE_S
from sf_actors.fleet.fleet import FleetService
from sf_actors.fleet.task import Task


class Noting:
    """A runner that notes what is done to it."""

    pid = 1

    def __init__(self, stop_timeout_s: float = 1.0) -> None:
        self.task = Task(name="a", service=FleetService(name="a", stop_timeout_s=stop_timeout_s))
        self.noted: list[int] = []

    def signal(self, number: int) -> None:
        self.noted.append(number)

    def kill(self) -> None:
        self.noted.append(signal.SIGKILL)

    def tell(self, _message: dict[str, Any]) -> bool:
        return True

    def abandon(self) -> int:
        return 0


def test_one_is_asked_to_stop_once_since_a_second_signal_would_kill_it() -> None:
    beside, runner = Beside(lambda _words: None), Noting()
    beside.add(runner)
    beside.stop(runner, 1.0)
    beside.stop_all(1.1)

    assert runner.noted == [signal.SIGTERM]
    assert beside.next_due() == 1.0 + 1.0 + GRACE_S


def test_one_that_does_not_end_in_time_is_killed_once_and_that_is_told() -> None:
    told: list[str] = []
    beside, runner = Beside(told.append), Noting()
    beside.add(runner)
    beside.stop(runner, 0.0)
    beside.pass_time(GRACE_S + 0.9)
    assert not told
    beside.pass_time(GRACE_S + 1.1)
    beside.pass_time(GRACE_S + 9.0)

    assert runner.noted == [signal.SIGTERM, signal.SIGKILL]
    assert beside.had_to_kill
    assert told == ["a: one beside it has not ended within 6 s: killed"]


def test_one_that_is_to_run_on_is_never_killed() -> None:
    beside, runner = Beside(lambda _words: None), Noting()
    beside.add(runner)
    beside.note_ready(runner)
    beside.pass_time(1e9)

    assert beside.is_ready(runner)
    assert beside.next_due() is None
    beside.remove(runner)
    assert not beside
    assert not beside.is_ready(runner)


def test_one_that_was_killed_is_waited_for_without_a_time_of_its_own() -> None:
    beside, runner = Beside(lambda _words: None), Noting()
    beside.add(runner)
    beside.stop(runner, 0.0)
    beside.pass_time(GRACE_S + 1.1)

    assert beside.next_due() is None
    assert runner in beside
