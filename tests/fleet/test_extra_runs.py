"""What runs beside the instances that count."""

from __future__ import annotations

import signal
from typing import Any

from sf_actors.fleet.course import GRACE_S
from sf_actors.fleet.extra_runs import ExtraRuns
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

    def send(self, _message: dict[str, Any]) -> bool:
        return True

    def abandon(self) -> int:
        return 0


def test_one_is_asked_to_stop_once_since_a_second_signal_would_kill_it() -> None:
    runs, runner = ExtraRuns(lambda _words: None), Noting()
    runs.add(runner)
    runs.stop(runner, 1.0)
    runs.stop_all(1.1)

    assert runner.noted == [signal.SIGTERM]
    assert runs.next_due() == 1.0 + 1.0 + GRACE_S


def test_one_that_does_not_end_in_time_is_killed_once_and_that_is_told() -> None:
    told: list[str] = []
    runs, runner = ExtraRuns(told.append), Noting()
    runs.add(runner)
    runs.stop(runner, 0.0)
    runs.pass_time(GRACE_S + 0.9)
    assert not told
    runs.pass_time(GRACE_S + 1.1)
    runs.pass_time(GRACE_S + 9.0)

    assert runner.noted == [signal.SIGTERM, signal.SIGKILL]
    assert runs.had_to_kill
    assert told == ["a: one beside it has not ended within 6 s: killed"]


def test_one_that_is_to_run_on_is_never_killed() -> None:
    runs, runner = ExtraRuns(lambda _words: None), Noting()
    runs.add(runner)
    runs.note_ready(runner)
    runs.pass_time(1e9)

    assert runs.is_ready(runner)
    assert runs.next_due() is None
    runs.remove(runner)
    assert not runs
    assert not runs.is_ready(runner)


def test_one_that_was_killed_is_waited_for_without_a_time_of_its_own() -> None:
    runs, runner = ExtraRuns(lambda _words: None), Noting()
    runs.add(runner)
    runs.stop(runner, 0.0)
    runs.pass_time(GRACE_S + 1.1)

    assert runs.next_due() is None
    assert runner in runs
