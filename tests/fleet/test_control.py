"""The requests of other verbs to a running `up`."""

from __future__ import annotations

import socket
from selectors import DefaultSelector
from typing import TYPE_CHECKING

import pytest

from sf_actors.fleet.control import ControlSocket, VerbRequest, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 20.0
DOWN = b'{"verb": "down"}\n'


class Up:
    """The side of `up`, which reads nothing until it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken: list[VerbRequest] = []
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(path))
        listener.listen(8)
        self.selector = DefaultSelector()
        self.control = ControlSocket(listener, self.selector, self.taken.append)

    def read_once(self) -> None:
        for key, _ in self.selector.select(0):
            key.data()

    def close(self) -> None:
        self.control.close()
        self.selector.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "socket")
    yield made
    made.close()


@pytest.fixture
def verb() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.settimeout(DEADLINE_S)
        yield made


def test_a_request_that_waits_to_be_accepted_when_the_fleet_has_ended_is_answered(
    up: Up, verb: socket.socket
) -> None:
    verb.connect(str(up.path))
    verb.sendall(DOWN)

    up.control.refuse()

    (request,) = up.taken
    request.end(0)
    assert verb.recv(100) == b'{"status": 0}\n'


def test_a_request_that_was_accepted_and_not_read_when_the_fleet_has_ended_is_answered(
    up: Up, verb: socket.socket
) -> None:
    verb.connect(str(up.path))
    up.read_once()
    verb.sendall(DOWN)

    up.control.refuse()

    (request,) = up.taken
    request.end(0)
    assert verb.recv(100) == b'{"status": 0}\n'


def test_who_comes_when_the_fleet_has_ended_finds_nobody(up: Up, verb: socket.socket) -> None:
    up.control.refuse()

    with pytest.raises(ConnectionRefusedError):
        verb.connect(str(up.path))


def test_who_has_connected_and_asked_nothing_is_not_waited_for(up: Up, verb: socket.socket) -> None:
    verb.connect(str(up.path))

    up.control.refuse()
    up.control.close()

    words: list[str] = []
    assert ask(verb, words.append, verb="down") == {}
    assert words == ["the up that was asked has ended before it answered"]
    assert not up.taken
