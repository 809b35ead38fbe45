"""handlers: how long an echo takes for each kind of handler.

One client makes one call after the other, over TCP. The service at the other side has a plain
handler, one that takes and returns a dataclass, a coroutine, or workers. The figure is the median
of the calls of each burst. There are no peers here; see `rpc` for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running

PLAIN = "a plain handler"

#: The service file of each kind.
FILES = {
    PLAIN: "echo",
    "a dataclass": "echo_dataclass",
    "async def": "echo_async",
    "workers": "echo_workers",
}


def answer(settings: Settings) -> Answer:
    """Measure, and compare each kind with a plain handler."""
    found = Answer("handlers", "echo by the kind of the handler: p50 of a call")

    def burst(running: Running) -> dict[str, float]:
        return running.ask(seconds=settings.burst_s)

    contenders = [
        Contender(kind, (side(ours.serve, file=file), side(ours.ask)))
        for kind, file in FILES.items()
    ]
    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for kind in FILES:
        found.add(kind, rounds.samples(kind, "p50_us"), "µs", is_ours=True)
    for kind in FILES:
        if kind != PLAIN:
            found.compare(kind, PLAIN)
    return found
