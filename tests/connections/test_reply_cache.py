"""Replies that are kept, so that a repeated request is not handled twice."""

from __future__ import annotations

from time import monotonic
from unittest.mock import Mock

from sf_actors.connections.reply_cache import (
    MAX_PEERS,
    MAX_WAITING,
    Repetition,
    ReplyCache,
    key_of,
)
from sf_actors.connections.request_call import RequestCall

SECOND = Repetition([b"second"], "w")


def finished(cache: ReplyCache, key: bytes, reply: bytes) -> list[Repetition]:
    cache.begin(key)
    return cache.finish(key, reply)


def test_a_reply_is_kept() -> None:
    cache = ReplyCache()
    finished(cache, b"id", b"reply")

    assert cache.reply_to(b"id") == b"reply"
    assert cache.reply_to(b"other") is None


def test_who_asks_again_meanwhile_gets_the_reply_as_well() -> None:
    cache = ReplyCache()
    cache.begin(b"id")

    assert cache.is_running(b"id", SECOND)
    assert cache.finish(b"id", b"reply") == [SECOND]
    assert not cache.is_running(b"id", SECOND)


def test_the_oldest_reply_is_forgotten_when_there_are_too_many() -> None:
    cache = ReplyCache(max_replies=2)
    for key in (b"a", b"b", b"c"):
        finished(cache, key, b"reply")

    assert [cache.reply_to(key) for key in (b"a", b"b", b"c")] == [
        None,
        b"reply",
        b"reply",
    ]


def test_the_oldest_replies_are_forgotten_when_they_are_too_large() -> None:
    cache = ReplyCache(max_bytes=100)
    finished(cache, b"a", b"x" * 60)
    finished(cache, b"b", b"x" * 60)

    assert cache.reply_to(b"a") is None
    assert cache.reply_to(b"b") == b"x" * 60


def test_a_reply_that_is_larger_than_all_may_be_is_not_kept() -> None:
    cache = ReplyCache(max_bytes=100)
    finished(cache, b"a", b"x" * 101)

    assert cache.reply_to(b"a") is None


def test_an_id_that_is_finished_twice_counts_once() -> None:
    cache = ReplyCache(max_bytes=100)
    for _ in range(10):
        finished(cache, b"a", b"x" * 60)

    assert cache.reply_to(b"a") == b"x" * 60


def test_of_one_peer_only_the_newest_repetitions_wait_for_a_reply() -> None:
    cache = ReplyCache()
    cache.begin(b"id")
    cache.is_running(b"id", Repetition([b"other", b"0"], None))
    for number in range(1000):
        cache.is_running(b"id", Repetition([b"peer", b"%d" % number], None))

    first, *waiting = cache.finish(b"id", b"reply")

    assert first.address == [b"other", b"0"]
    assert len(waiting) == MAX_WAITING
    assert waiting[-1].address == [b"peer", b"999"]


def test_of_too_many_peers_the_newest_wait_for_a_reply() -> None:
    cache = ReplyCache()
    cache.begin(b"id")
    for number in range(MAX_PEERS + 1):
        cache.is_running(b"id", Repetition([b"%d" % number], None))

    waiting = cache.finish(b"id", b"reply")

    assert len(waiting) == MAX_PEERS
    assert waiting[0].address == [b"1"]


def test_a_request_is_known_by_its_id_and_its_arguments() -> None:
    requests = [("id", b"\x81\xa1n\x01"), ("id", b"\x81\xa1n\x02"), ("1", b"\x80"), (1, b"\x80")]

    assert len({key_of(*request) for request in requests}) == len(requests)
    assert key_of("id", b"\x80") == key_of("id", memoryview(b"\x80"))


def test_a_repetition_takes_the_place_of_a_request_that_was_dropped() -> None:
    cache = ReplyCache()
    first = RequestCall(Mock(), {}, [b"first"], "v", 1)
    first.key, first.expires_at = b"id", monotonic()
    cache.begin(b"id", first)
    assert not first.is_worth_it()

    assert not cache.is_running(b"id", SECOND)
    assert first.key is None, "or the end of the first would forget the second"
    cache.begin(b"id")
    assert cache.is_running(b"id", SECOND)
