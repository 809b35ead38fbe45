"""The publisher and the replica of this folder, each as a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import PATIENCE_S, Process

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent


def publishing(
    folder: Path, run: int, count: int = 0, *, flat_out: bool = False, ports: tuple[int, int]
) -> Process:
    """Start a publisher of a run, which publishes a number of updates before it is ready.

    :param flat_out: go on publishing until the end
    :param ports: of its two sockets; 0 takes a free one
    """
    bound = {"publisher": f"127.0.0.1:{ports[0]}", "replyer": f"127.0.0.1:{ports[1]}"}
    path = folder / "publishing.json"
    path.write_text(json.dumps({"states": {"out": {"book": bound}}}))
    arguments = ["-s", str(HERE / "publishing.py"), "-a", str(path), *["-m"][: int(flat_out)]]
    return Process(*arguments, "--run", str(run), "--count", str(count), cwd=folder)


def bound_by(publisher: Process) -> dict[str, str]:
    """Return where a publisher is bound, once it is ready."""
    bound = publisher.wait_until_ready()
    return {socket: bound[f"book.{socket}"] for socket in ("publisher", "replyer")}


class Replica:
    """A replica as a process, of which the test reads what it tells line by line."""

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        path = folder / "following.json"
        path.write_text(json.dumps({"states": {"in": {"book": dict(addresses)}}}))
        self.process = Process("-s", str(HERE / "following.py"), "-a", str(path), cwd=folder)
        #: all that was told, in its order
        self.told: list[dict[str, Any]] = []

    def wait_for(self, timeout_s: float = PATIENCE_S, **wanted: Any) -> dict[str, Any]:
        """Return the next that was told in which these stand."""

        def is_it(line: str) -> bool:
            if not line.startswith("{"):
                return False
            told = json.loads(line)
            if "event" in told:
                return False
            self.told.append(told)
            return wanted.items() <= told.items()

        self.process.wait_for_line(is_it, timeout_s)
        return self.told[-1]

    @property
    def updates(self) -> list[dict[str, Any]]:
        """The updates among what was told."""
        return [told for told in self.told if "n" in told]

    @property
    def phases(self) -> list[str]:
        """The phases among what was told."""
        return [told["phase"] for told in self.told if "phase" in told]
