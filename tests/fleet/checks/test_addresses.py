"""E103 and E104: addresses that two want or nobody can use, and ones that will do."""

from __future__ import annotations

import socket

import pytest

from sf_actors.fleet.checks.addresses import Placed, misplaced, taken_now


def bound(*texts: str, machines: tuple[str | None, ...] = (None, None)) -> list[Placed]:
    return [
        Placed(f"s{number}", "x", text, True, "fleet.toml:1", machine)
        for number, (text, machine) in enumerate(zip(texts, machines, strict=False))
    ]


def codes(placed: list[Placed], *, has_processes: bool = True, has_keys: bool = False) -> list[str]:
    found = misplaced(placed, has_processes=has_processes, has_keys=has_keys)
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("0.0.0.0:1", "10.0.0.7:1"),
        ("10.0.0.7:1", "*:1"),
        ("localhost:1", "127.0.0.1:1"),
        ("tcp://h:1", "h:1"),
        ("[::]:1", "127.0.0.1:1"),
        ("[::]:1", "*:1"),
        ("[::1]:1", "[0:0:0:0:0:0:0:1]:1"),
        ("[::ffff:127.0.0.1]:1", "localhost:1"),
        ("ipc:///tmp/a", "ipc:///tmp/a"),
        ("ipc://a", "ipc://./a"),
    ],
)
def test_e103_is_told_of_two_binders_on_one_address(one: str, other: str) -> None:
    assert codes(bound(one, other)) == ["E103"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1:1", "127.0.0.1:2"),
        ("127.0.0.1:1", "127.0.0.2:1"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:1", "[::1]:1"),
        ("localhost:1", "[::1]:1"),
        ("0.0.0.0:1", "[::1]:1"),
        ("*:1", "[::1]:1"),
        ("ipc:///tmp/a", "ipc:///tmp/b"),
    ],
)
def test_addresses_that_only_look_alike_are_two(one: str, other: str) -> None:
    assert codes(bound(one, other)) == []


def test_what_is_on_different_machines_does_not_meet() -> None:
    assert codes(bound("0.0.0.0:1", "0.0.0.0:1", machines=("a", "b"))) == []
    assert codes(bound("0.0.0.0:1", "0.0.0.0:1", machines=("a", None))) == ["E103"]


def test_a_path_of_107_bytes_is_the_longest() -> None:
    assert codes(bound("ipc:///" + "x" * 106)) == []
    assert codes(bound("ipc:///" + "x" * 107)) == ["E103"]


def test_inproc_is_within_one_process_and_without_keys() -> None:
    placed = bound("inproc://a")

    assert codes(placed) == ["E104"]
    assert codes(placed, has_processes=False) == []
    assert codes(placed, has_processes=False, has_keys=True) == ["E104"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("*:1", ["E104"]), ("0.0.0.0:1", ["E104"]), ("h:0", ["E104"]), ("h:1", [])],
)
def test_who_connects_needs_a_host_and_a_port(text: str, expected: list[str]) -> None:
    assert codes([Placed("a", "x", text, False, "")]) == expected


def test_a_port_that_another_socket_has_now_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        placed = [*bound(f"127.0.0.1:{port}"), Placed("b", "x", f"127.0.0.1:{port}", False, "")]

        (finding,) = taken_now(placed)
    assert finding.code == "E103"
    assert "which another socket has now" in finding.message
    assert list(taken_now(placed)) == []
