from __future__ import annotations

import socket

from sf_actors.fleet.channel import Lines, messages, receive_block, send, send_block
from sf_actors.fleet.levels import levels_of


def test_lines_are_put_together_from_pieces() -> None:
    lines = Lines()

    assert lines.add(b"a\nb") == [b"a"]
    assert lines.add(b"c\n\n") == [b"bc", b""]
    assert lines.add(b"rest") == []
    assert lines.end() == [b"rest"]
    assert lines.end() == []


def test_a_line_without_end_comes_in_parts() -> None:
    lines = Lines(longest=4)

    assert lines.add(b"12345") == [b"12345"]
    assert lines.add(b"6\n") == [b"6"]


def test_a_block_and_messages_pass_until_the_other_side_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            assert send_block(ours, b"x" * 1000)
            assert send(ours, {"a": 1})
        assert receive_block(theirs) == b"x" * 1000
        assert list(messages(theirs)) == [{"a": 1}]
        assert not send(theirs, {})


def test_a_level_is_above_all_that_it_is_after() -> None:
    after = {"c": ("b", "a"), "b": ("a",), "a": (), "d": ()}

    assert levels_of(after) == {"a": 0, "b": 1, "c": 2, "d": 0}
