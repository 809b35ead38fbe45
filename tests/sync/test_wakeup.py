"""The wake-up of a thread that polls."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    import pytest


def test_a_wake_up_may_be_set_again_and_again() -> None:
    wakeup = Wakeup()
    for _ in range(100_000):
        wakeup.set()
    wakeup.clear()
    wakeup.clear()
    wakeup.close()
    wakeup.close()


def test_a_wake_up_works_where_there_is_no_eventfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd")
    wakeup = Wakeup()
    poll = select.poll()
    poll.register(wakeup.fd, select.POLLIN)

    assert poll.poll(0) == []
    for _ in range(20_000):
        wakeup.set()
    assert poll.poll(0)
    wakeup.close()
