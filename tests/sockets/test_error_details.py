"""Whether callers at a socket are told texts: by its address, the keys, the choice of the user."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sf_actors.sockets.error_details import checked_details, sends_texts


def tells(endpoint: str, *, is_secured: bool = False, error_details: Any = None) -> bool:
    """Ask for a socket that says it is bound there."""
    socket: Any = SimpleNamespace(getsockopt_string=lambda option: endpoint)
    return sends_texts(error_details, socket, is_secured=is_secured)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:5555",
        "tcp://127.8.8.8:5555",
        "tcp://[::1]:5555",
        "ipc:///tmp/x",
        "ipc://@x",
        "inproc://x",
    ],
)
def test_what_this_machine_alone_reaches_sends_texts(endpoint: str) -> None:
    assert tells(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:5555",
        "tcp://[::]:5555",
        "tcp://*:5555",
        "tcp://192.0.2.2:5555",
        "tcp://[2001:db8::2]:5555",
        "tcp://[fe80::2%eth0]:5555",
        "tcp://[::ffff:192.0.2.2]:5555",
        "ws://127.0.0.1:5555",
        "",
    ],
)
def test_what_other_machines_may_reach_tells_none(endpoint: str) -> None:
    assert not tells(endpoint)


def test_where_keys_say_who_may_ask_texts_are_told() -> None:
    assert tells("tcp://0.0.0.0:5555", is_secured=True)


def test_the_choice_of_the_user_is_above_all_else() -> None:
    assert tells("tcp://0.0.0.0:5555", error_details="full")
    assert not tells("tcp://127.0.0.1:5555", error_details="type")
    assert not tells("tcp://0.0.0.0:5555", error_details="type", is_secured=True)


def test_a_choice_of_none_is_no_choice() -> None:
    assert tells("tcp://127.0.0.1:5555", error_details=None)
    assert not tells("tcp://0.0.0.0:5555", error_details=None)


@pytest.mark.parametrize("choice", ["full", "type", None])
def test_a_choice_that_can_be_made_is_taken(choice: Any) -> None:
    assert checked_details(choice) is choice
