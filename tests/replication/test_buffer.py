"""The deltas that a replica cannot apply yet."""

from __future__ import annotations

from sf_actors.replication.buffer import Buffer


class Sized:
    """Fields that say how large they are."""

    def __init__(self, size: int) -> None:
        self.size = size


def test_too_many_empty_it_and_the_newest_stays() -> None:
    buffer = Buffer(2)
    for number in range(3):
        buffer.keep(number, False, {})
    assert dict(buffer) == {2: (False, {}, None, None)}


def test_too_large_ones_empty_it_and_the_newest_stays() -> None:
    buffer = Buffer(100, max_bytes=10)
    for number in range(3):
        buffer.keep(number, False, Sized(5))
    assert list(buffer) == [2]
    buffer.keep(3, False, Sized(5))
    assert list(buffer) == [2, 3]


def test_what_was_dropped_counts_no_more() -> None:
    buffer = Buffer(100, max_bytes=10)
    buffer.keep(0, False, Sized(10))
    buffer.clear()
    buffer.keep(1, False, Sized(5))
    buffer.keep(2, False, Sized(5))
    assert list(buffer) == [1, 2]
