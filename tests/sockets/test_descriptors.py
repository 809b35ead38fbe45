"""What is logged when the process has no descriptor left."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.log.throttle import WARNING_INTERVAL_S
from sf_actors.sockets import descriptors
from sf_actors.sockets.descriptors import Descriptors

if TYPE_CHECKING:
    from collections.abc import Callable

GONE, BACK = "no descriptor is left", "descriptors are left again"
NOW = 1000.0


class Log:
    """The lines that were written: how each begins, and what it has left out."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int | None]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append((event.partition(":")[0], fields["left_out"]))

    def info(self, event: str) -> None:
        self.lines.append((event.partition(":")[0], None))


class Process:
    """One that has descriptors or not, as the test says."""

    is_one_left = True

    def __init__(self) -> None:
        self.log: Any = Log()
        self._descriptors = Descriptors()

    def look(self, now: float, *, is_one_left: bool) -> None:
        self.is_one_left = is_one_left
        self._descriptors.look(self.log, now)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    made = Process()
    monkeypatch.setattr(descriptors, "_is_one_left", lambda: made.is_one_left)
    return made


def test_a_lack_is_told_once_in_a_while_with_the_number_left_out(process: Process) -> None:
    for second in range(int(WARNING_INTERVAL_S) + 1):
        process.look(NOW + second, is_one_left=False)

    assert process.log.lines == [(GONE, 0), (GONE, int(WARNING_INTERVAL_S) - 1)]


def test_the_end_of_a_lack_is_told_once(process: Process) -> None:
    process.look(NOW, is_one_left=False)
    process.look(NOW + 1, is_one_left=True)
    process.look(NOW + 2, is_one_left=True)

    assert process.log.lines == [(GONE, 0), (BACK, None)]


def test_who_takes_and_gives_back_the_last_one_causes_no_more_lines(process: Process) -> None:
    for second in range(int(WARNING_INTERVAL_S)):
        process.look(NOW + second, is_one_left=False)
        process.look(NOW + second + 0.5, is_one_left=True)

    assert process.log.lines == [(GONE, 0), (BACK, None)]


@pytest.mark.parametrize(("number", "is_left"), [(errno.EMFILE, False), (errno.EACCES, True)])
def test_what_the_system_says_tells_whether_one_is_left(
    monkeypatch: pytest.MonkeyPatch, number: int, is_left: bool
) -> None:
    assert descriptors._is_one_left()
    monkeypatch.setattr(os, "listdir", raising(OSError(number, "no")))

    assert descriptors._is_one_left() is is_left


def test_what_a_signal_handler_raises_meanwhile_reaches_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "listdir", raising(TimeoutError()))

    with pytest.raises(TimeoutError):
        descriptors._is_one_left()


def raising(error: OSError) -> Callable[[str], None]:
    def fail(_path: str) -> None:
        raise error

    return fail
