"""state-size: what a replicated state costs with a million keys instead of a thousand.

Each turn changes one key after the other, waits until the replica has the last change, then looks
up one key in the replica. A third pair does the same with a digest in each heartbeat, which both
sides update with each change. There is no limit to compare with: the aim is the behaviour of a
dict, which costs the same at every size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.contender import Contender, ContenderFailed, side
from benchmarks.figures import Answer, Settings, Target
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running

FEW, MANY = 1_000, 1_000_000

#: The large size in a quick run, since building a million keys takes some seconds.
QUICKLY_MANY = 100_000

#: The changes in the first burst, and how long a replica may take for a whole value, in seconds.
FIRST, PATIENCE_S = 500, 120.0


def changed(running: Running, keys: int, burst_s: float) -> dict[str, float]:
    """Measure one burst of changes, and looking up one key."""
    if "count" not in running.notes:
        filled = running.ask(0, keys=keys)
        if running.ask(number=filled["number"], patience_s=PATIENCE_S)["at"] is None:
            raise ContenderFailed("the replica never got the first value")
        running.notes["count"] = FIRST
        per_s = _burst(running)
        running.notes["count"] = max(FIRST, int(per_s * burst_s))
    per_s = _burst(running)
    looked = running.ask(key=str(keys // 2), seconds=burst_s / 2)
    return {"per_s": per_s, "look_up_ns": looked["look_up_ns"]}


def _burst(running: Running) -> float:
    count: int = running.notes["count"]
    published = running.ask(0, count=count)
    at = running.ask(number=published["number"], patience_s=20.0)["at"]
    if at is None:
        raise ContenderFailed("the replica did not get the last change")
    per_s: float = count / (at - published["began"])
    return per_s


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    many = QUICKLY_MANY if settings.is_quick else MANY
    sizes = {
        f"{FEW:,} keys": (FEW, False),
        f"{many:,} keys": (many, False),
        f"{many:,} keys, digest": (many, True),
    }
    small, large, proved = sizes
    found = Answer("state-size", "changes of one key a second, and a look at one, by size")
    contenders = [
        Contender(name, (side(ours.publish_deltas, digest=digest), side(ours.follow)))
        for name, (_, digest) in sizes.items()
    ]

    def burst(running: Running) -> dict[str, float]:
        return changed(running, sizes[running.name][0], settings.burst_s)

    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for name in sizes:
        samples = rounds.samples(name, "per_s")
        found.add(name, samples, "/s", less_is_better=False, is_ours=True)
    for name in (small, large):
        found.add(f"{name}, a look", rounds.samples(name, "look_up_ns"), "ns", is_ours=True)
    found.compare(large, small, Target(0.4, 0.8))
    found.compare(f"{large}, a look", f"{small}, a look", Target(3.0, 1.5))
    found.compare(proved, large)
    return found
