"""call-cost: how long a call takes after a pause of 3 ms, and the processor time of both sides.

The echo of `rpc`, next to a bare REQ and REP socket, and to a call with a deadline that is written
by hand on bare sockets: what lies between these two is the price of what every call has to have,
and what lies above it is ours. After a pause both sides must be woken: the processors sleep, and
their caches are cold. Processor time is the average per call of all threads of both processes, over
4,000 calls one after the other (400 in a quick run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import by_hand, ours, rpc
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running

RAW, OURS, BY_HAND = rpc.RAW, rpc.OURS, "by hand"
PAUSE_S, PAUSED, CALLS = 0.003, 100, 4_000


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("call-cost", "echo of one int: p50 after a pause of 3 ms; processor time")
    calls = CALLS // 10 if settings.is_quick else CALLS

    def burst(running: Running) -> dict[str, float]:
        paused = running.ask(count=PAUSED, pause_s=PAUSE_S)
        before = running.processor_s
        running.ask(count=calls)
        taken = running.processor_s - before
        return {"paused_us": paused["p50_us"], "processor_us": taken / calls * 1e6}

    contenders = [
        Contender(RAW, (side(rpc.serve), side(rpc.ask))),
        Contender(BY_HAND, (side(by_hand.serve), side(by_hand.ask))),
        Contender(OURS, (side(ours.serve), side(ours.ask))),
    ]
    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for figure, label, unit in (
        ("paused_us", "after a pause", "µs"),
        ("processor_us", "processor time", "µs of processor"),
    ):
        for name in (OURS, BY_HAND, RAW):
            samples = rounds.samples(name, figure)
            found.add(f"{name}, {label}", samples, unit, is_ours=name == OURS)
        found.compare(f"{OURS}, {label}", f"{RAW}, {label}")
        found.compare(f"{OURS}, {label}", f"{BY_HAND}, {label}")
        found.compare(f"{BY_HAND}, {label}", f"{RAW}, {label}")
    return found
