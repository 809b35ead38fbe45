"""A signal counts once, whether the main thread calls the handler soon, late or never."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from sf_actors.lifecycle import signals
from sf_actors.lifecycle.signals import SignalHandlers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Looking:
    """The main thread, which does something just before the patience with it ends."""

    def __init__(self, does: Callable[[], None], *, is_in_time: bool) -> None:
        self._does = does
        self._is_in_time = is_in_time

    def clear(self) -> None:
        pass

    def wait(self, _seconds: float) -> bool:
        self._does()
        return self._is_in_time


class Handlers(SignalHandlers):
    """Handlers whose watching thread is the test; signals are calls of `handle`."""

    def __init__(self) -> None:
        super().__init__(lambda signum, frame: None)
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)

    def close(self) -> None:
        os.close(self._read_fd)
        os.close(self._write_fd)

    def nudge(self) -> None:
        pass

    def handle(self) -> None:
        self._handle(signal.SIGINT, None)

    def is_missed(self, does: Callable[[], None], *, is_in_time: bool = False) -> bool:
        self._has_looked = Looking(does, is_in_time=is_in_time)  # type: ignore[assignment]
        counts = self._is_missed(signal.SIGINT)
        self._seen[signal.SIGINT] += counts
        return counts

    def told(self) -> int:
        """Return how many signals the handler has told the watching thread of, which count."""
        try:
            count = len(os.read(self._read_fd, 64))
        except BlockingIOError:
            count = 0
        self._seen[signal.SIGINT] += count
        return count


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handlers]:
    made = Handlers()
    monkeypatch.setattr(signals.signal, "getsignal", lambda _signum: made._handle)
    yield made
    made.close()


def nothing() -> None:
    pass


def test_a_signal_that_a_stuck_thread_misses_counts_and_its_late_handler_does_not(
    handlers: Handlers,
) -> None:
    assert handlers.is_missed(nothing)
    handlers.handle()
    assert handlers.told() == 0
    handlers.handle()
    assert handlers.told() == 1


def test_a_signal_whose_handler_is_called_as_patience_ends_counts_once(handlers: Handlers) -> None:
    assert not handlers.is_missed(handlers.handle)
    assert handlers.told() == 1
    assert handlers.is_missed(nothing)


def test_a_signal_that_is_handled_before_the_thread_is_stuck_counts_once(
    handlers: Handlers,
) -> None:
    handlers.handle()
    assert not handlers.is_missed(nothing)
    assert handlers.told() == 1
    assert handlers.is_missed(nothing)


def test_a_signal_that_is_handled_in_time_counts_once(handlers: Handlers) -> None:
    handlers.handle()
    assert not handlers.is_missed(nothing, is_in_time=True)
    assert handlers.told() == 1
    handlers.handle()
    assert handlers.told() == 1


def test_a_second_signal_that_is_missed_as_well_counts_too(handlers: Handlers) -> None:
    assert handlers.is_missed(nothing)
    assert handlers.is_missed(nothing)
    handlers.handle()
    assert handlers.told() == 0
