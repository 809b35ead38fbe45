"""inspected: how long an echo takes with an inspector in its process, idle or in use.

One client makes one call after the other, over TCP. The service at the other side has no inspector,
an idle one, one that is asked for its numbers ten times a second, or one through which each call
is watched.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec
import zmq

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running
    from benchmarks.link import Link

NOBODY = "no inspector"
WAYS = {
    NOBODY: "none",
    "an inspector that nobody asks": "idle",
    "asked for its numbers ten times a second": "asked",
    "each call watched": "watched",
}

ASKING_PAUSE_S = 0.1


def serve(link: Link, way: str) -> None:
    """Answer echoes.

    :param way: how the process is inspected
    """
    # imported here, so that the processes of other contenders do not load the package
    import sf_actors  # noqa: PLC0415

    with ours.echo_service() as running:
        if way != "none":
            address = str(sf_actors.inspect().address)
            if way != "idle":
                threading.Thread(target=_look, args=(address, way), daemon=True).start()
        link.ready(port=ours.bound_port(running))
        running.wait()


def _look(address: str, way: str) -> None:
    """Ask an inspector repeatedly, or watch the messages of the model."""
    context = zmq.Context()
    asking = context.socket(zmq.REQ)
    asking.connect(address)

    def ask(**args: str) -> dict[str, object]:
        asking.send(msgspec.msgpack.encode({"args": args}))
        answer: dict[str, dict[str, object]] = msgspec.msgpack.decode(asking.recv())
        return answer["return_args"]

    if way == "watched":
        watching = context.socket(zmq.SUB)
        watching.subscribe(b"")
        watching.connect(str(ask(verb="tap", service="echo", model="echo")["address"]))
        while True:
            watching.recv()
    pause = threading.Event()
    while True:
        ask(verb="stats")
        pause.wait(ASKING_PAUSE_S)


def answer(settings: Settings) -> Answer:
    """Measure, and compare each way with none."""
    found = Answer("inspected", "echo by who looks at its process: p50 of a call")

    def burst(running: Running) -> dict[str, float]:
        return running.ask(seconds=settings.burst_s)

    contenders = [
        Contender(shown, (side(serve, way=way), side(ours.ask))) for shown, way in WAYS.items()
    ]
    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for shown in WAYS:
        found.add(shown, rounds.samples(shown, "p50_us"), "µs", is_ours=True)
    for shown in WAYS:
        if shown != NOBODY:
            found.compare(shown, NOBODY)
    return found
