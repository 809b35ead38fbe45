"""Closing: said once, to who looks, who polls and who is called."""

from __future__ import annotations

import os
import select

import pytest

from sf_actors.sync.closing import Closing


def test_who_looks_sees_that_it_is_set() -> None:
    closing = Closing()
    assert not closing.is_set()
    closing.set()
    assert closing.is_set()


def test_who_is_called_sees_that_it_is_set_already() -> None:
    closing = Closing()
    seen: list[bool] = []
    closing.call(lambda: seen.append(closing.is_set()))
    assert seen == []
    closing.set()
    assert seen == [True]


def test_who_polls_wakes_up() -> None:
    closing = Closing()
    poll = select.poll()
    poll.register(closing.fd, select.POLLIN)
    assert poll.poll(0) == []
    closing.set()
    assert poll.poll(0)
    closing.close()


def test_all_who_poll_share_a_descriptor_which_is_freed() -> None:
    closing = Closing()
    fd = closing.fd
    assert closing.fd == fd
    closing.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


def test_nothing_happens_when_it_is_set_after_the_end() -> None:
    closing = Closing()
    seen: list[bool] = []
    closing.call(lambda: seen.append(True))
    assert closing.fd >= 0
    closing.close()
    closing.set()
    assert seen == []
