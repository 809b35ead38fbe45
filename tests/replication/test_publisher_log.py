from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.replication.publisher_log import PublisherLog
from sf_actors.replication.values.digest import digest_of, packed
from sf_actors.replication.values.frozen import View, thaw
from sf_actors.replication.values.patch import PatchRefused, merge, snapshot
from sf_actors.replication.values.persistent_map import EMPTY
from tests.replication.shapes import SHAPE, patches


def log_of(count: int, *, log_size: int = 4) -> PublisherLog:
    log = PublisherLog(SHAPE, epoch=5, log_size=log_size)
    for price in range(count):
        log.publish({"price": price}, is_snapshot=False, frame=b"%d" % price)
    return log


def test_before_the_first_update_the_value_is_empty_and_the_number_minus_one() -> None:
    log = PublisherLog(SHAPE, epoch=5)
    assert (thaw(log.value), log.number, log.epoch, log.digest) == ({}, -1, 5, None)
    assert log.since(5, -1) == []


def test_updates_are_numbered_from_0_in_the_order_they_come() -> None:
    log = PublisherLog(SHAPE, epoch=5)
    assert log.publish({"price": 1}, is_snapshot=False) == 0
    assert log.publish({"book": {}, "price": 2}, is_snapshot=True) == 1
    assert View(log.value) == {"price": 2, "book": {}}


def test_a_refused_update_takes_no_number_and_changes_nothing() -> None:
    log = log_of(2)
    with pytest.raises(PatchRefused):
        log.publish({"book": {"a": 1}, "price": None}, is_snapshot=False, frame=b"x")
    with pytest.raises(PatchRefused):
        log.publish({"price": 1}, is_snapshot=True, frame=b"x")
    assert (log.number, thaw(log.value)) == (1, {"price": 1})
    assert log.since(5, 0) == [b"1"]


@pytest.mark.parametrize(
    ("after", "frames"),
    [(9, []), (8, [b"9"]), (5, [b"6", b"7", b"8", b"9"]), (4, None), (10, None)],
)
def test_the_log_gives_the_updates_after_a_number_or_none(
    after: int, frames: list[bytes] | None
) -> None:
    assert log_of(10).since(5, after) == frames


def test_the_log_gives_nothing_of_another_epoch() -> None:
    assert log_of(3).since(6, 1) is None
    assert log_of(3).since(None, None) is None
    assert log_of(3).since(5, None) is None


def test_the_log_gives_nothing_across_an_update_it_lacks() -> None:
    log = log_of(3)
    log.publish({"price": 3}, is_snapshot=False)
    assert log.since(5, 2) is None
    log.publish({"price": 4}, is_snapshot=False, frame=b"4")
    assert log.since(5, 2) is None
    assert log.since(5, 3) == [b"4"]


def test_a_number_of_the_caller_may_leave_some_out_and_is_told_beside_the_count() -> None:
    log = PublisherLog(SHAPE, epoch=5)
    assert (log.number, log.count, log.own_count) == (-1, -1, None)
    assert log.publish({"price": 3}, is_snapshot=False, number=3, frame=b"3") == 3
    assert log.publish({"price": 7}, is_snapshot=False, number=7, frame=b"7") == 7
    assert (log.number, log.count, log.own_count, thaw(log.value)) == (7, 1, 1, {"price": 7})
    assert log.since(5, 0) == [b"7"]
    assert log.since(5, 7) is None


@pytest.mark.parametrize("number", [-100, -2, -1, 0, 1, 99])
def test_a_whole_value_counts_from_the_number_that_the_caller_gives_it(number: int) -> None:
    log = log_of(0)
    for price in range(5):
        log.publish({"price": price}, is_snapshot=False, number=price)
    whole = {"price": 8, "book": {}}
    assert log.publish(whole, is_snapshot=True, number=number) == number
    assert (log.number, log.count, log.skipped) == (number, 5, 0)
    assert log.publish({"price": 9}, is_snapshot=False, number=number + 1) == number + 1
    assert thaw(log.value) == {"price": 9, "book": {}}


@given(st.lists(st.tuples(patches, st.booleans()), max_size=40))
@pytest.mark.slow
def test_the_value_is_the_fold_of_all_updates_whenever_it_is_looked_at(
    updates: list[tuple[dict[str, Any], bool]],
) -> None:
    log = PublisherLog(SHAPE, epoch=5)
    folded = EMPTY
    for patch, is_looked_at in updates:
        try:
            folded = merge(folded, patch, SHAPE, is_strict=True)
        except PatchRefused:
            with pytest.raises(PatchRefused):
                log.publish(patch, is_snapshot=False)
        else:
            log.publish(patch, is_snapshot=False)
        assert not is_looked_at or log.value == folded
    assert log.value == folded


@pytest.mark.parametrize("number", [-100, -1, 0, 1])
def test_a_delta_that_the_caller_numbers_not_above_the_value_is_skipped_and_counts(
    number: int,
) -> None:
    log = log_of(0)
    for price in range(2):
        log.publish({"price": price}, is_snapshot=False, number=price, frame=b"%d" % price)
    assert log.skips(False, number)
    assert not log.skips(True, number)
    assert log.publish({"price": 9}, is_snapshot=False, number=number, frame=b"9") is None
    assert (thaw(log.value), log.number, log.count, log.skipped) == ({"price": 1}, 1, 2, 1)
    assert log.since(5, -1) == [b"0", b"1", b"9"]


def test_a_first_delta_that_is_skipped_leaves_the_number_of_no_update() -> None:
    log = log_of(0)
    assert log.publish({"price": 9}, is_snapshot=False, number=-1) is None
    assert (thaw(log.value), log.number, log.count, log.own_count) == ({}, -1, 0, 0)


def test_the_digest_is_that_of_the_value_after_deltas_and_whole_values() -> None:
    log = PublisherLog(SHAPE, epoch=5, digest=True)
    assert log.digest == packed(digest_of(log.value))
    log.publish({"price": 1, "book": {"a": 1}}, is_snapshot=True)
    log.publish({"book": {"a": None, "b": 2}}, is_snapshot=False)
    assert log.digest == packed(digest_of(log.value))


def test_the_log_has_so_many_bytes_at_most_and_always_the_last_update() -> None:
    log = PublisherLog(SHAPE, epoch=5, log_bytes=10)
    for price in range(4):
        log.publish({"price": price}, is_snapshot=False, frame=b"%d" % price * 4)
    assert log.since(5, 0) is None
    assert log.since(5, 1) == [b"2222", b"3333"]
    log.publish({"price": 4}, is_snapshot=False, frame=b"x" * 100)
    assert log.since(5, 2) is None
    assert log.since(5, 3) == [b"x" * 100]


def test_a_value_to_begin_with_is_in_the_digest() -> None:
    initial = EMPTY.set("table", EMPTY)
    log = PublisherLog(SHAPE, epoch=5, digest=True, value=initial)
    assert (log.value, log.number, log.digest) == (initial, -1, packed(digest_of(initial)))


def test_the_digest_of_a_whole_value_may_be_made_beforehand() -> None:
    one, other = (PublisherLog(SHAPE, epoch=5, digest=True) for _ in range(2))
    fields = {"price": 1, "book": {"a": 1}}
    one.publish(fields, is_snapshot=True)
    digest = other.digest_of(snapshot(fields, SHAPE))
    other.publish(fields, is_snapshot=True, digest=digest)
    assert one.digest == other.digest
    assert PublisherLog(SHAPE, epoch=5).digest_of(snapshot(fields, SHAPE)) is None
