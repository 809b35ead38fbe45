"""Fleets as real processes: writes service files into a folder, and runs them."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.effort import IS_FULL
from tests.support.processes import PATIENCE_S, Process
from tests.support.shell import ran_here
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Flags of `up` in tests that do not need processes: in one process a fleet starts sooner.
ANYWHERE = () if IS_FULL else ("--in-process",)

#: A service that is READY at once, and prints a line.
QUIET = """
def init_function(to_send, states, config):
    print("begun")
def on_ask(args):
    return {}
connection_models = {"in": {"ask": {"connection_type": "replyer",
    "required_creation_arguments": {"connection_function": on_ask}}}}
"""

#: A replyer that doubles a number, and returns its instance and process.
SILENT = """
import os
config_model = {"optional": {"instance": int}}
NUMBER = 0
def init_function(to_send, states, config):
    global NUMBER
    NUMBER = config.get("instance", 0)
def on_double(args):
    return {"n": 2 * args["n"], "instance": NUMBER, "pid": os.getpid()}
connection_models = {"in": {"double": {
    "connection_type": "replyer",
    "required_arguments": {"n": int},
    "required_return_arguments": {"n": int, "instance": int, "pid": int},
    "required_creation_arguments": {"connection_function": on_double},
}}}
"""

#: The same, and it logs each call, for which it imports structlog: most tests take `SILENT`.
DOUBLING = SILENT.replace("import os\n", "import os\nfrom sf_actors import get_logger\n").replace(
    "    return {", '    get_logger().info("doubling", n=args["n"])\n    return {'
)

#: Calls a few times, prints the replies, and ends with a status.
ASKING = """
config_model = {"optional": {"status": int, "count": int}}
connection_models = {"out": {"double": {
    "connection_type": "requester",
    "required_arguments": {"n": int},
    "required_return_arguments": {"n": int, "instance": int, "pid": int},
}}}
def main(to_send, config):
    for n in range(config.get("count", 4)):
        reply = to_send("connection", "double", {"n": n})
        print("doubled", n, reply["n"], reply["instance"])
    raise SystemExit(config.get("status", 0))
"""


def fleet_in(folder: Path, toml: str, **files: str) -> Path:
    """Write a fleet file and service files, named without `.py`."""
    folder.mkdir(exist_ok=True)
    (folder / "fleet.toml").write_text(toml)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes whose working directory is a folder, which are those of its fleet."""
    found = {}
    there = str(folder.resolve())
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with suppress(OSError):
                if os.readlink(f"/proc/{name}/cwd") == there:
                    command = Path(f"/proc/{name}/cmdline").read_bytes()
                    if command:
                        found[int(name)] = command.replace(b"\0", b" ").decode()
    return found


def sockets_of_fleets() -> list[str]:
    """Return the folders of running fleets."""
    runtime = Path(os.environ["SF_ACTORS_RUNTIME_DIR"])
    return sorted(path.name for path in runtime.iterdir() if path.is_dir())


def assert_nothing_is_left(folder: Path) -> None:
    """Fail if a fleet of this folder has left a process or a socket."""
    until(lambda: not processes_of(folder), f"the end of {processes_of(folder)}", PATIENCE_S)
    from sf_actors.fleet.run_folder import RunFolder

    assert not RunFolder.of(folder / "fleet.toml").path.exists()


@contextmanager
def up(folder: Path, *argv: str) -> Iterator[Process]:
    """Run `up` in a fleet's folder, and stop everything at the end."""
    with Process("up", *argv, cwd=folder) as process:
        try:
            yield process
        finally:
            if process.popen.poll() is None:
                process.interrupt()
                process.wait()
    ran_here("down", cwd=folder)


def wait_until_ready(process: Process, *names: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until `up` has reported that these are READY."""
    left = set(names)

    def is_last(line: str) -> bool:
        for name in set(left):
            if line == f"sf_actors: {name}: READY":
                left.remove(name)
        return not left

    process.wait_for_line(is_last, patience_s)
