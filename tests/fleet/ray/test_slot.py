"""One instance on a node, without Ray: its ports, its process, and where that connects to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.fleet.check import check
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.ray.directory import Part, links_of
from sf_actors.fleet.ray.slot import Slot
from tests.inspection.conftest import folder  # noqa: F401 - a fixture
from tests.support.fleets import ASKING, DOUBLING, fleet_in
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TOML = """
[services.doubler]
file = "doubler.py"
[services.asker]
file = "asker.py"
main = true
config = { count = 1 }
"""
#: Asks and asks. A call whose replyer is killed has no reply.
SLOWLY = (
    ASKING[: ASKING.index("def main")].replace(
        '"requester",', '"requester", "optional_creation_arguments": {"timeout_s": 1.0},'
    )
    + """
import time
from sf_actors import RequestTimeout
def main(to_send):
    while True:
        time.sleep(0.05)
        try:
            reply = to_send("connection", "double", {"n": 1})
        except RequestTimeout:
            continue
        print("doubled", reply["n"])
"""
)
HERE = "127.0.0.1"


def parts_in(where: Path) -> dict[str, Part]:
    fleet_in(where, TOML, doubler=DOUBLING, asker=ASKING)
    fleet = read_fleet(str(where / "fleet.toml"))
    checked = check(fleet)
    assert not checked.has_errors
    return {
        name: Part(
            name=name,
            service=one,
            folder=fleet.folder,
            number=1 if checked.outlines[name].takes_instance else None,
            outline=checked.outlines[name],
            links=links_of(name, checked.linked.links),
        )
        for name, one in fleet.by_name.items()
    }


@contextmanager
def slot(part: Part, where: Path, **more: Any) -> Iterator[Slot]:
    made = Slot(part, host=HERE, folder=where, **more)
    try:
        yield made
    finally:
        made.close()


def events_of(one: Slot) -> list[Any]:
    return one.events.after(0, 0.0).events


def end_of(one: Slot) -> int:
    def ended() -> Any:
        return [event for event in events_of(one) if event[0] == "end"]

    return int(until(ended, patience_s=30.0)[0][1])


def wait_ready(one: Slot) -> None:
    until(
        lambda: any(e[0] == "message" and "ready" in e[1] for e in events_of(one)), patience_s=30.0
    )


def test_an_instance_connects_to_where_its_peers_are(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    with slot(parts["doubler"], tmp_path) as doubler, slot(parts["asker"], tmp_path) as asker:
        doubler.run()
        wait_ready(doubler)
        asker.run({"doubler": doubler.spot})
        assert end_of(asker) == 0

        printed = [event[2] for event in events_of(asker) if event[:2] == ("line", "stdout")]
        assert printed == [b"doubled 0 0 1"]
        assert asker.run({"doubler": doubler.spot})["ready"] is None


def test_an_instance_that_moves_is_followed_by_who_meets_it(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    (tmp_path / "asker.py").write_text(SLOWLY)
    with slot(parts["asker"], tmp_path) as asker:
        with slot(parts["doubler"], tmp_path) as doubler:
            doubler.run()
            asker.run({"doubler": doubler.spot})
            until(lambda: any(b"doubled" in e[-1] for e in events_of(asker) if e[0] == "line"))
        with slot(parts["doubler"], tmp_path) as moved:
            assert moved.spot.bound != doubler.spot.bound
            assert asker.meet("doubler", moved.spot) == asker.spot
            begun = moved.run()
            mark = asker.events.count
            until(
                lambda: any(
                    b"doubled" in e[-1]
                    for e in asker.events.after(mark, 0.0).events
                    if e[0] == "line"
                ),
                patience_s=30.0,
            )
            # told by number, once it has been done
            asker.know({"doubler": moved.spot}, 7)
            until(lambda: ("message", {"connected": 7, "error": None}) in events_of(asker))
            assert moved.run()["pid"] == begun["pid"]


def test_a_process_keeps_its_address_over_its_restarts(tmp_path: Path) -> None:
    parts = parts_in(tmp_path)
    with slot(parts["doubler"], tmp_path) as doubler:
        first = doubler.run()
        wait_ready(doubler)
        doubler.signal(signal.SIGTERM)
        assert end_of(doubler) == 0
        second = doubler.run()

        assert (second["pid"] != first["pid"], second["spot"]) == (True, first["spot"])


#: What Ray would run: it has the slot, and ends with the process that is named.
HOLDING = """
import sys, pickle, threading
from pathlib import Path
from sf_actors.fleet.ray.slot import Slot
part = pickle.loads(bytes.fromhex(sys.argv[1]))
slot = Slot(part, host="127.0.0.1", folder=Path(sys.argv[2]), agent=int(sys.argv[3]))
print(slot.run()["pid"], flush=True)
threading.Event().wait()
"""


def test_a_process_that_has_lost_its_agent_ends_within_5_s(tmp_path: Path) -> None:
    import pickle

    part = parts_in(tmp_path)["doubler"]
    stuck = DOUBLING + "\ndef sigterm_handler():\n    import time\n    while True: time.sleep(1)\n"
    (tmp_path / "doubler.py").write_text(stuck)
    with subprocess.Popen(["sleep", "1000"]) as agent:
        arguments = [pickle.dumps(part).hex(), str(tmp_path), str(agent.pid)]
        with subprocess.Popen(
            [sys.executable, "-c", HOLDING, *arguments], stdout=subprocess.PIPE, text=True
        ) as holding:
            assert holding.stdout is not None
            pid = int(holding.stdout.readline())
            watched = os.pidfd_open(pid)
            agent.kill()
            try:
                import select

                gone, _, _ = select.select([watched], [], [], 6.5)
                assert gone, "it lives on"
                holding.wait(5.0)
            finally:
                os.close(watched)
