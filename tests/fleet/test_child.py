"""A child of `up`, as a real process."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import contextmanager
from pathlib import Path
from selectors import DefaultSelector
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.fleet.child import Child
from sf_actors.fleet.fleet import FleetService
from sf_actors.fleet.task import Task
from tests.support.fleets import QUIET
from tests.support.freezing import freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

#: More than a socket holds, and each a line of its own.
MESSAGES = 4_000


class Heard:
    """A child, and what it has said."""

    def __init__(self, folder: Path, held: int, text: str) -> None:
        (folder / "quiet.py").write_text(text)
        service = FleetService(name="quiet", file=folder / "quiet.py")
        addresses = {
            "connections": {"in": {"ask": {"replyer": f"ipc://{folder}/ask"}}, "out": {}},
            "states": {"in": {}, "out": {}},
        }
        self.messages: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self._selector = DefaultSelector()
        self.child = Child(
            Task(name="quiet", service=service, addresses=addresses),
            self._selector,
            folder=folder,
            held=held,
            on_message=lambda _child, message: self.messages.append(message),
            on_line=lambda _stream, _line: None,
            on_end=lambda _child, status: self.statuses.append(status),
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = monotonic() + 60.0
        while not condition():
            assert monotonic() < deadline
            for key, _ in self._selector.select(1.0):
                if key.fileobj in self._selector.get_map():
                    key.data()

    def close(self) -> None:
        if not self.statuses:
            self.child.abandon()
        self._selector.close()


@contextmanager
def heard(folder: Path, text: str = QUIET) -> Iterator[Heard]:
    held, other = os.pipe()
    try:
        one = Heard(folder, held, text)
        try:
            yield one
        finally:
            one.close()
    finally:
        os.close(held)
        os.close(other)


def test_what_one_that_does_not_read_is_told_waits_for_it_whole(tmp_path: Path) -> None:
    with heard(tmp_path) as one:
        one.wait_for(lambda: any("ready" in message for message in one.messages))
        freeze(one.child.pid)
        given = ["connections", "out", "nobody", "ipc:///tmp/" + "x" * 60]
        for number in range(MESSAGES):
            assert one.child.send({"connect": given, "id": number})
        os.kill(one.child.pid, signal.SIGCONT)
        one.wait_for(lambda: len(one.messages) > MESSAGES)
        answered = [message["connected"] for message in one.messages if "connected" in message]
        assert answered == list(range(MESSAGES))


def test_what_is_told_is_bounded(tmp_path: Path) -> None:
    with heard(tmp_path) as one:
        freeze(one.child.pid)
        message = {"connect": ["x" * 100_000], "id": 1}
        assert not all(one.child.send(message) for _ in range(20))


def test_no_collection_looks_at_what_was_imported_before_the_service(tmp_path: Path) -> None:
    counting = QUIET + "import gc, os\nif gc.get_freeze_count() < 10_000:\n    os._exit(9)\n"
    with heard(tmp_path, counting) as one:
        one.wait_for(lambda: bool(one.messages or one.statuses))
        assert "ready" in one.messages[0]


def test_its_end_is_told_with_its_status(tmp_path: Path) -> None:
    with heard(tmp_path) as one:
        one.wait_for(lambda: any("ready" in message for message in one.messages))
        one.child.signal(signal.SIGTERM)
        one.wait_for(lambda: bool(one.statuses))
        assert one.statuses == [0]
        assert not one.child.send({"connect": [], "id": 1})


def test_the_sockets_of_one_that_is_killed_are_removed_but_no_others(tmp_path: Path) -> None:
    runtime = Path(os.environ["SF_ACTORS_RUNTIME_DIR"])
    with heard(tmp_path) as one, socket.socket(socket.AF_UNIX) as elsewhere:
        one.wait_for(lambda: any("ready" in message for message in one.messages))
        (own,) = runtime.glob(f"{one.child.pid}-*.sock")
        # as of a process of the same number in another container
        other = runtime / f"{one.child.pid}-0000-other.sock"
        elsewhere.bind(str(other))
        elsewhere.listen()
        stream = own.with_suffix(".tap")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(stream))
        one.child.kill()
        one.wait_for(lambda: bool(one.statuses))
        assert [path.exists() for path in (own, stream, other)] == [False, False, True]
        other.unlink()
