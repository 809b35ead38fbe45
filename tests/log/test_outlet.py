"""Lines into a pipe that nobody reads, or reads slowly: none waits for long, none is torn."""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sf_actors.log.outlet import PATIENCE_S, PIECE, Outlet
from tests.support.waiting import PATIENCE_S as LONG_S

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = b"x" * 999 + b"\n"


class Pipe:
    """A pipe, and the outlet that writes to it."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.outlet = Outlet(self.write_fd, lambda dropped: f"dropped {dropped}")

    def fill(self) -> int:
        """Write lines until one is dropped; return how many were taken."""
        count = 0
        while not self.outlet._is_stuck:
            self.outlet.write(LINE)
            count += 1
        return count

    def read(self) -> bytes:
        """Return what can be read now."""
        os.set_blocking(self.read_fd, False)
        found = b""
        while True:
            try:
                piece = os.read(self.read_fd, 1 << 20)
            except BlockingIOError:
                return found
            if not piece:
                return found
            found += piece

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_line_is_written_at_once(pipe: Pipe) -> None:
    pipe.outlet.write(b"a line\n")
    assert pipe.read() == b"a line\n"


def test_one_line_waits_for_a_moment_and_those_after_it_not_at_all(pipe: Pipe) -> None:
    began = monotonic()
    pipe.fill()
    assert monotonic() - began >= 0.9 * PATIENCE_S
    began = monotonic()
    for _ in range(1000):
        pipe.outlet.write(LINE)
    # far less than a thousand times what the first one waited
    assert monotonic() - began < 100 * PATIENCE_S


def test_what_comes_back_is_whole_lines_and_one_tells_how_many_are_missing(pipe: Pipe) -> None:
    written = pipe.fill()
    for _ in range(10):
        pipe.outlet.write(LINE)
    found = pipe.read()
    pipe.outlet.write(LINE)
    lines = (found + pipe.read()).splitlines(keepends=True)
    (note,) = (place for place, line in enumerate(lines) if line != LINE)
    assert lines[note] == b"dropped %d\n" % (written + 11 - (len(lines) - 1))
    assert lines[-1] == LINE


def test_a_line_that_is_larger_than_a_pipe_is_finished_later(pipe: Pipe) -> None:
    large = b"y" * (40 * PIECE) + b"\n"
    pipe.outlet.write(large)
    found = pipe.read()
    assert len(found) < len(large)
    while len(found) < len(large):
        pipe.outlet.write(b"next\n")
        found += pipe.read()
    assert found.startswith(large)
    assert set(found.removeprefix(large).splitlines()) <= {b"next", b"dropped 1", b"dropped 2"}


def test_a_reader_that_is_slow_gets_all(pipe: Pipe) -> None:
    found: list[bytes] = []

    def read() -> None:
        while sum(map(len, found)) < 300 * len(LINE):
            found.append(os.read(pipe.read_fd, 5000))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(300):
        pipe.outlet.write(LINE)
    reader.join(LONG_S)
    assert b"".join(found) == 300 * LINE


def test_a_line_written_in_the_middle_of_another_comes_after_it(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a signal handler that logs."""
    write = os.write

    def interrupted(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        pipe.outlet.write(b"inner\n")
        return write(fd, data)

    monkeypatch.setattr(os, "write", interrupted)
    pipe.outlet.write(b"outer\n")
    assert pipe.read() == b"outer\ninner\n"


def test_a_reader_that_is_gone_is_an_error() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    outlet = Outlet(write_fd, str)
    with pytest.raises(BrokenPipeError):
        outlet.write(LINE)
    os.close(write_fd)
