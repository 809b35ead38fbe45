"""Who knocks: a server's keys, a friend's and a stranger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.security.keyrings import Keyring, Knocker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "server")


@pytest.fixture
def friend(tmp_path: Path, server: Keyring) -> Keyring:
    """Who is authorized by the server."""
    friend = Keyring(tmp_path / "friend")
    server.authorize(friend)
    friend.trust(server)
    return friend


@pytest.fixture
def stranger(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "stranger")


@pytest.fixture
def knocker() -> Iterator[Knocker]:
    knocker = Knocker()
    yield knocker
    knocker.close()


@pytest.fixture
def knock(
    knocker: Knocker, server: Keyring, friend: Keyring, stranger: Keyring
) -> Callable[[str, int, str], bool]:
    """Try to connect as somebody; return whether it worked."""

    def knock(who: str, kind: int, address: str) -> bool:
        given: dict[str, Any] = {
            "authorized": {"own": friend, "server": server},
            "wrong key": {"own": stranger, "server": server},
            "wrong server key": {"own": friend, "server": stranger},
        }.get(who, {})
        socket = knocker.socket(kind, **given)
        if who == "plain":
            socket.plain_username, socket.plain_password = b"friend", b"secret"
        return knocker.gets_in(socket, address)

    return knock
