"""What systemd is told of a unit of `Type=notify`, by a real notify socket."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import PATIENCE_S, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = """
def init_function(to_send): pass
def answer(args): return {}
"""


@contextmanager
def notified(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(PATIENCE_S)
        yield listening


@pytest.mark.slow
@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_service_tells_ready_and_stopping(tmp_path: Path, *, is_abstract: bool) -> None:
    (tmp_path / "svc.py").write_text(SERVICE)
    name = f"{tmp_path.name}/notify"
    bound, told = (f"\0{name}", f"@{name}") if is_abstract else (str(tmp_path / "n"),) * 2
    with (
        notified(bound) as listening,
        Process("-s", "svc.py", cwd=tmp_path, env={"NOTIFY_SOCKET": told}) as process,
    ):
        assert listening.recv(100) == b"READY=1"
        process.interrupt(signal.SIGTERM)
        assert listening.recv(100) == b"STOPPING=1"
        assert process.wait() == 0


def test_a_service_that_does_not_start_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("def init_function(): raise ValueError\n")
    with (
        notified(str(tmp_path / "n")) as listening,
        Process(
            "-s", "svc.py", cwd=tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "n")}
        ) as process,
    ):
        assert process.wait() == 2
        # its end came after all that it may have told
        listening.sendto(b"(the last)", str(tmp_path / "n"))
        assert listening.recv(100) in (b"STOPPING=1", b"(the last)")


def test_a_bus_tells_too(tmp_path: Path) -> None:
    argv = ("bus", "--xsub", f"ipc://{tmp_path}/a", "--xpub", f"ipc://{tmp_path}/b")
    with (
        notified(str(tmp_path / "n")) as listening,
        Process(*argv, cwd=tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "n")}) as process,
    ):
        assert listening.recv(100) == b"READY=1"
        process.interrupt(signal.SIGTERM)
        assert listening.recv(100) == b"STOPPING=1"
        assert process.wait() == 0


def test_a_socket_that_nobody_has_stops_no_service(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(SERVICE + "def main(): print('done', flush=True)\n")
    with Process(
        "-s", "svc.py", "-m", cwd=tmp_path, env={"NOTIFY_SOCKET": str(tmp_path / "gone")}
    ) as process:
        assert process.wait() == 0
        assert process.out == ["done"]
