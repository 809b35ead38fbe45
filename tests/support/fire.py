"""A fleet of replyers that record each effect, and of clients that call them without a pause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.effort import IS_FULL
from tests.support.fleets import fleet_in

if TYPE_CHECKING:
    from pathlib import Path

#: Records the id of each call, and doubles a number. It takes a while, like real work, so that the
#: clients leave processor time to starting processes.
NOTING = """
import os, time
DONE = open(f"done/{os.getpid()}", "a", buffering=1)
def on_double(args):
    DONE.write(args["id"] + "\\n")
    time.sleep(PAUSE_S)
    return {"n": 2 * args["n"]}
connection_models = {"in": {"double": {
    "connection_type": "replyer",
    "required_arguments": {"id": str, "n": int},
    "required_return_arguments": {"n": int},
    "required_creation_arguments": {"on_double": on_double},
}}}
""".replace("PAUSE_S", "0.004" if IS_FULL else "0.01")

#: Calls in several threads until it is stopped, and records each call and how long it took.
CLIENT = """
import os, threading, time
config_model = {"required": {"instance": int, "threads": int}}
connection_models = {"out": {"double": {
    "connection_type": "requester",
    "required_arguments": {"id": str, "n": int},
    "required_return_arguments": {"n": int},
    "required_creation_arguments": {"timeout_s": 20.0},
}}}
def main(to_send, config, stopping):
    def ask(number):
        with open(f"asked/{config['instance']}-{number}", "a") as asked:
            n = 0
            while not stopping.is_set():
                n += 1
                id = f"{config['instance']}-{number}-{n}"
                began = time.monotonic()
                try:
                    right = to_send("connection", "double", {"id": id, "n": n})["n"] == 2 * n
                except Exception as error:
                    print("lost", id, type(error).__name__, error, flush=True)
                    right = False
                asked.write(f"{id} {int(right)} {time.monotonic() - began}\\n")
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(config["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

FLEET = """
[services.doubler]
file = "doubler.py"
instances = {replyers}
[services.client]
file = "client.py"
main = true
ends_fleet = false
restart = "never"
after = ["doubler"]
instances = {clients}
config = {{ threads = {threads} }}
"""


def under_fire(folder: Path, *, clients: int, threads: int, replyers: int = 3) -> Path:
    """Write the files of a fleet with this number of clients, and of threads in each."""
    toml = FLEET.format(clients=clients, threads=threads, replyers=replyers)
    fleet_in(folder, toml, doubler=NOTING, client=CLIENT)
    for name in ("done", "asked"):
        (folder / name).mkdir()
    return folder


@dataclass(frozen=True)
class Fire:
    """The result, once the fleet has ended.

    :ivar answered: the calls with a correct reply
    :ivar lost: the calls without one
    :ivar done: the calls that had an effect, each as often as it had
    :ivar took_s: how long each call took, sorted
    """

    answered: list[str]
    lost: list[str]
    done: list[str]
    took_s: list[float]

    @classmethod
    def of(cls, folder: Path) -> Fire:
        """Read the records of clients and replyers."""
        calls = [line.split() for file in (folder / "asked").iterdir() for line in _lines(file)]
        return cls(
            [call for call, right, _ in calls if right == "1"],
            [call for call, right, _ in calls if right == "0"],
            [line for file in (folder / "done").iterdir() for line in _lines(file)],
            sorted(float(seconds) for _, _, seconds in calls),
        )

    def __str__(self) -> str:
        p50, p99 = (self.took_s[int(len(self.took_s) * part)] * 1e3 for part in (0.5, 0.99))
        return (
            f"{len(self.answered)} calls, {len(self.lost)} lost: p50 {p50:.1f} ms, "
            f"p99 {p99:.1f} ms, max {self.took_s[-1] * 1e3:.0f} ms"
        )


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()
