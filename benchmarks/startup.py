"""startup: how long it takes from the command to a ready service.

Every round runs each command once, in a process of its own, until it reports that it is ready. Ours
is the command line, which logs that. The command line of service_framework reports nothing, so it
counts as ready when its port accepts a connection. The others are the shortest script that opens a
server and then prints a line. The limit is an interpreter that imports our dependencies and ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING

from benchmarks.contender import ROOT, ContenderFailed
from benchmarks.figures import FAILED, Answer, Settings, Target
from benchmarks.peers import PEERS, missing
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORTS, OURS, ORIGINAL = "imports alone", "sf_actors", "service_framework"
PATIENCE_S = 30.0

SCRIPTS = {
    IMPORTS: "import zmq, pykka, structlog, msgspec",
    "raw REP": """
import zmq
zmq.Context.instance().socket(zmq.REP).bind("tcp://127.0.0.1:*")
print("ready", flush=True)
""",
    "RPyC": """
import rpyc
from rpyc.utils.server import ThreadedServer
class Echo(rpyc.Service):
    def exposed_echo(self, n):
        return n
server = ThreadedServer(Echo, hostname="127.0.0.1", port=0)
print("ready", flush=True)
""",
    "Pyro5": """
from Pyro5.api import Daemon, expose
@expose
class Echo:
    def echo(self, n):
        return n
daemon = Daemon(host="127.0.0.1", port=0)
daemon.register(Echo())
print("ready", flush=True)
""",
    "zerorpc": """
import zerorpc
class Echo:
    def echo(self, n):
        return n
zerorpc.Server(Echo()).bind("tcp://127.0.0.1:*")
print("ready", flush=True)
""",
}


def until_end(folder: Path) -> float:
    """Return how long an interpreter with the imports takes to end, in seconds."""
    return _run([sys.executable, "-c", SCRIPTS[IMPORTS]], folder, _ended)


def until_ready(script: str, folder: Path) -> float:
    """Return how long a script takes until it prints a line, in seconds."""
    return _run([sys.executable, "-c", script], folder, lambda popen: _line(popen, b"ready"))


def ours_until_ready(folder: Path) -> float:
    """Return how long our command line takes until it logs that it is ready, in seconds."""
    command = _command("sf_actors", folder, 0)
    return _run(command, folder, lambda popen: _line(popen, b'"ready"'))


def original_until_ready(folder: Path) -> float:
    """Return how long the original's takes until its port accepts a connection, in seconds."""
    port = free_port()

    def connected(popen: subprocess.Popen[bytes]) -> None:
        deadline = perf_counter() + PATIENCE_S
        while perf_counter() < deadline and popen.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                sleep(0.001)
            else:
                return
        raise ContenderFailed("its port took no connection")

    # it accepts only service files below its working directory
    return _run(_command("service_framework", folder, port), folder, connected, inside=ROOT)


def _command(module: str, folder: Path, port: int) -> list[str]:
    addresses = folder / f"{module}.json"
    served = {"connections": {"in": {"echo": {"replyer": f"127.0.0.1:{port}"}}}}
    addresses.write_text(json.dumps(served))
    service = "benchmarks/services/echo.py"
    if module == "sf_actors":
        service = str(ROOT / service)
    return [sys.executable, "-m", module, "-s", service, "-a", str(addresses)]


def _run(
    command: list[str],
    folder: Path,
    wait: Callable[[subprocess.Popen[bytes]], None],
    *,
    inside: Path | None = None,
) -> float:
    # bytecode is cached, as for installed packages, but outside the source tree
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(folder / "pyc"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = perf_counter()
    popen = subprocess.Popen(
        command,
        cwd=inside or folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait(popen)
        return perf_counter() - began
    finally:
        if popen.poll() is None:
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        if popen.stdout is not None:
            popen.stdout.close()


def _ended(popen: subprocess.Popen[bytes]) -> None:
    if popen.wait(PATIENCE_S):
        raise ContenderFailed("it ended with an error")


def _line(popen: subprocess.Popen[bytes], wanted: bytes) -> None:
    last = b""
    for line in popen.stdout or ():
        if wanted in line:
            return
        last = line
    raise ContenderFailed(f"it ended without being ready: {last.decode(errors='replace').strip()}")


def runners() -> dict[str, Callable[[Path], float]]:
    """Return the functions that run each contender, by name."""

    def script(name: str) -> Callable[[Path], float]:
        return lambda folder: until_ready(SCRIPTS[name], folder)

    return {
        IMPORTS: until_end,
        OURS: ours_until_ready,
        ORIGINAL: original_until_ready,
        **{name: script(name) for name in SCRIPTS if name != IMPORTS},
    }


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("startup", "from the command to ready")
    running = runners()
    for name in PEERS:
        reason = missing(name)
        if reason and name in running:
            del running[name]
            found.left_out[name] = reason
    found.left_out["zero"] = "it spawns its workers after its port is open, and tells nobody"
    samples: dict[str, list[float | None]] = {name: [] for name in running}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for number in range(settings.rounds + 1):
            for name, run in running.items():
                try:
                    taken = run(Path(folder)) * 1e3 if name not in found.left_out else None
                except (ContenderFailed, subprocess.TimeoutExpired) as error:
                    found.left_out[name] = f"{FAILED}{error}"
                    taken = None
                if number:  # the first run of each fills the caches
                    samples[name].append(taken)
    for name in (IMPORTS, "raw REP", OURS, *PEERS):
        if name in samples:
            found.add(name, samples[name], "ms", is_ours=name == OURS)
    found.compare(OURS, IMPORTS, Target(2, 1.3))
    for name in samples:
        if name not in (OURS, IMPORTS):
            found.compare(OURS, name)
    return found
