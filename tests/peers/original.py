"""The original, `service_framework`, as a process of its own that we talk to."""

from __future__ import annotations

import json
from contextlib import contextmanager
from textwrap import dedent
from time import monotonic
from typing import TYPE_CHECKING, Any

from tests.support.processes import PATIENCE_S, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: How long a line may take after each attempt to provoke it, in seconds.
ATTEMPT_S = 0.05


@contextmanager
def original(
    folder: Path, service: str, addresses: dict[str, Any], *, main_mode: bool = False
) -> Iterator[Process]:
    """Run a service file, given as text, under the original."""
    (folder / "peer.py").write_text(dedent(service))
    (folder / "peer.json").write_text(json.dumps({"connections": {}, "states": {}} | addresses))
    mode = ["-m"] if main_mode else []
    with Process(
        "-s", "./peer.py", "-a", "peer.json", *mode, module="service_framework", cwd=folder
    ) as process:
        yield process


def repeat_until_line(process: Process, wanted: str, attempt: Callable[[], None]) -> str:
    """Do something again and again until the process prints a line with a text; return it."""
    deadline = monotonic() + PATIENCE_S
    while True:
        attempt()
        try:
            return process.wait_for_line(wanted, timeout_s=ATTEMPT_S)
        except AssertionError:
            if monotonic() > deadline or process.popen.poll() is not None:
                raise


def keeping(senders: list[Callable[..., Any]]) -> Callable[..., None]:
    """Return an `init_function` that hands `to_send` to the test."""

    def init_function(to_send: Callable[..., Any]) -> None:
        senders.append(to_send)

    return init_function
