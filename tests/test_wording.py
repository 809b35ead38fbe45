"""Words of messages: short, on one line, at the price of what is shown."""

from __future__ import annotations

import unicodedata

import pytest

from sf_actors.wording import (
    LONGEST_TEXT,
    bounded,
    bounded_repr,
    escaped,
    letters_between,
    named,
    near_misses,
    over_limit,
    shown,
)


def test_a_text_that_is_short_enough_is_left_as_it_is() -> None:
    text = "x" * LONGEST_TEXT

    assert bounded(text) is text


def test_a_long_text_is_cut_with_a_note_of_how_many_characters_were_left_out() -> None:
    text = bounded("x" * 1_000_000)

    kept = text.count("x")
    assert text == f"{'x' * kept}… ({1_000_000 - kept:,} characters left out)"
    assert len(text) <= LONGEST_TEXT


def test_a_text_that_was_cut_is_not_cut_again() -> None:
    text = bounded("x" * 1_000_000)

    assert bounded(text) == text


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("a\r\n\tb\0", "a\\r\\n\\tb\\x00"),
        ("\x7f\x80\x9b", "\\x7f\\x80\\x9b"),
        ("\u202e\u2066\u200e\u061c", "\\u202e\\u2066\\u200e\\u061c"),
        ("\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, visible: str) -> None:
    assert escaped(text) == visible


@pytest.mark.parametrize(
    "text", ["plain", "Größe", "漢字\u3000かな", "👩\u200d👧", "a\u00a0b", "\\x1b"]
)
def test_what_is_text_in_any_language_is_left_as_it_is(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.slow
def test_no_control_and_nothing_that_changes_direction_is_left() -> None:
    every = "".join(map(chr, range(0x110000)))

    left = {unicodedata.category(char) for char in escaped(every)}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not turning & {unicodedata.bidirectional(char) for char in escaped(every)}


class Unsortable:
    """A key that must not be compared: there may be a million of them."""

    def __lt__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __repr__(self) -> str:
        return "key"


def test_of_a_mapping_or_set_only_what_is_shown_is_looked_at() -> None:
    keys = [Unsortable() for _ in range(5)]

    assert shown(dict.fromkeys(keys, 1)) == "dict {key: 1, key: 1, key: 1, key: 1, ...}"
    assert shown(set(keys)) == "set {key, key, key, key, ...}"
    assert shown(frozenset(keys[:1])) == "frozenset frozenset({key})"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "dict {}"),
        (set(), "set set()"),
        (frozenset(), "frozenset frozenset()"),
        ({"a": [1]}, "dict {'a': [1]}"),
        ({1: {2: {3: {4: 5}}}}, "dict {1: {2: {3: {...}}}}"),
    ],
)
def test_a_small_value_is_shown_as_its_repr(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize("key", [b"\xff" * 1_000_000, ("x" * 1_000_000, 1)])
def test_a_large_key_is_named_by_its_beginning(key: object) -> None:
    assert len(named(key)) <= 60


def test_a_large_value_has_a_repr_that_is_bounded() -> None:
    assert len(bounded_repr([["x" * 1000] * 1000] * 1000)) <= LONGEST_TEXT


def test_what_is_too_large_is_told_with_its_size_and_the_limit() -> None:
    text = over_limit("the request", 11, 10)

    assert text == "the request has 11 bytes, max_message_bytes allows 10"


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("models", "models", 0),
        ("conection", "connection", 1),
        ("connectoin", "connection", 1),
        ("conectoin", "connection", 2),
        ("address", "addresses", 2),
        ("handlers", "connection", 3),
        ("sighup_handler", "sigint_handler", 3),
    ],
)
def test_letters_between_names_are_counted_up_to_three(one: str, other: str, letters: int) -> None:
    assert letters_between(one, other) == letters_between(other, one) == letters


def test_near_misses_are_told_from_the_nearest_on() -> None:
    names = ["init_function", "setup_config", "setup_configs", "main"]

    assert near_misses("setup_confgs", names) == ["setup_configs", "setup_config"]
    assert near_misses("init_func", names) == ["init_function"]
    assert near_misses("init", names) == near_misses("mian", names) == []
    assert near_misses("init_function", names) == []
