"""Replies that are kept, so that a repeated request is not handled twice."""

from __future__ import annotations

from sf_actors.actors.reply_cache import MAX_WAITING, ReplyCache


def finished(cache: ReplyCache, request_id: object, reply: bytes) -> list[list[bytes]]:
    cache.begin(request_id)
    return cache.finish(request_id, reply)


def test_a_reply_is_kept() -> None:
    cache = ReplyCache()
    finished(cache, "id", b"reply")

    assert cache.reply_to("id") == b"reply"
    assert cache.reply_to("other") is None


def test_who_asks_again_meanwhile_gets_the_reply_as_well() -> None:
    cache = ReplyCache()
    cache.begin("id")

    assert cache.is_running("id", [b"second"])
    assert cache.finish("id", b"reply") == [[b"second"]]
    assert not cache.is_running("id", [b"third"])


def test_the_oldest_reply_is_forgotten_when_there_are_too_many() -> None:
    cache = ReplyCache(max_replies=2)
    for request_id in ("a", "b", "c"):
        finished(cache, request_id, b"reply")

    assert [cache.reply_to(request_id) for request_id in ("a", "b", "c")] == [
        None,
        b"reply",
        b"reply",
    ]


def test_the_oldest_replies_are_forgotten_when_they_are_too_large() -> None:
    cache = ReplyCache(max_bytes=100)
    finished(cache, "a", b"x" * 60)
    finished(cache, "b", b"x" * 60)

    assert cache.reply_to("a") is None
    assert cache.reply_to("b") == b"x" * 60


def test_a_reply_that_is_larger_than_all_may_be_is_not_kept() -> None:
    cache = ReplyCache(max_bytes=100)
    finished(cache, "a", b"x" * 101)

    assert cache.reply_to("a") is None


def test_an_id_that_is_finished_twice_counts_once() -> None:
    cache = ReplyCache(max_bytes=100)
    for _ in range(10):
        finished(cache, "a", b"x" * 60)

    assert cache.reply_to("a") == b"x" * 60


def test_only_the_newest_repetitions_wait_for_a_reply() -> None:
    cache = ReplyCache()
    cache.begin("id")
    for number in range(1000):
        cache.is_running("id", [b"%d" % number])

    waiting = cache.finish("id", b"reply")

    assert len(waiting) == MAX_WAITING
    assert waiting[-1] == [b"999"]


def test_an_id_without_a_hash_is_kept_all_the_same() -> None:
    cache = ReplyCache()
    finished(cache, ["a", 1], b"reply")

    assert cache.reply_to(["a", 1]) == b"reply"


def test_the_text_of_a_number_is_another_id() -> None:
    cache = ReplyCache()
    finished(cache, 1, b"reply")

    assert cache.reply_to("1") is None
