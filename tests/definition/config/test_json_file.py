"""JSON files that are large, deep or malicious: read in linear time, or refused in one line."""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING

import pytest

from sf_actors.definition.config.json_file import MAX_DEPTH, MAX_DIGITS, parse, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def unlimited_digits() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=r".") as raised:
        parse(text)
    message = str(raised.value)
    assert message.isprintable()
    assert len(message) < 200
    return message


def seconds_of(call: Callable[[], object]) -> float:
    began = process_time()
    call()
    return process_time() - began


def test_a_key_that_stands_twice_is_named() -> None:
    assert "the key 'b' stands twice" in refusal('{"a": {"b": 1, "c": 2, "b": 3}}')


def test_a_long_key_that_stands_twice_is_cut_and_escaped() -> None:
    key = "\\u001b" + "x" * 100_000
    assert r"the key '\x1bxxx" in refusal(f'{{"{key}": 1, "{key}": 2}}')


def test_the_last_of_many_keys_that_stands_twice_is_found_in_linear_time() -> None:
    keys = ",".join(f'"k{number}":0' for number in range(40_000))
    once = seconds_of(lambda: parse(f"{{{keys}}}"))

    twice = seconds_of(lambda: refusal(f'{{{keys},"k39999":0}}'))
    assert twice < 20 * once


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_a_text_of_the_deepest_nesting_that_is_taken_goes_through_all_that_follows(
    begin: str, end: str
) -> None:
    content = parse(begin * MAX_DEPTH + "1.5" * (begin != "[") + end * MAX_DEPTH)

    assert plain(content) == content


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 600, 100_000])
def test_a_text_nested_deeper_is_refused(begin: str, end: str, depth: int) -> None:
    text = begin * depth + "1" * (begin != "[") + end * depth

    assert "nested too deep" in refusal(text)


@pytest.mark.usefixtures("unlimited_digits")
def test_an_integer_of_a_megabyte_is_refused_before_it_is_read() -> None:
    assert "an integer has 1,000,000 digits" in refusal("[" + "1" * 1_000_000 + "]")


def test_a_long_integer_is_read_exactly() -> None:
    assert parse("-" + "9" * (MAX_DIGITS - 1)) == -(10 ** (MAX_DIGITS - 1)) + 1


def test_a_number_of_a_megabyte_with_a_fraction_keeps_its_text() -> None:
    text = "1." + "1" * 1_000_000

    assert parse(text).text == text
