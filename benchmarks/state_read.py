"""state-read: how long reading a replicated state takes, by its size.

The main of a service reads a replica of 100, 10,000 and 100,000 keys: it takes the whole value, and
looks up one key. The limit is a dict that nobody else changes. Elsewhere, a reader who needs a
value that does not change must copy it first. Best of many groups, in one process, without a
socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.delta import fill
from benchmarks.figures import Answer, Settings
from benchmarks.reading import reads
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from benchmarks.contender import Running
    from benchmarks.link import Link

OURS, PLAIN, COPIED = "sf_actors", "plain dict", "copied dict"
SIZES = (100, 10_000, 100_000)


def read_dict(link: Link, *, copies: bool) -> None:
    """Read a dict, or a new copy of it each time."""
    book: dict[str, dict[str, float]] = {}
    take: Callable[[], Any] = (lambda: {"levels": dict(book["levels"])}) if copies else lambda: book
    for command in link.commands():
        if "keys" in command:
            book["levels"] = {str(key): float(key) for key in range(command["keys"])}
            link.answer()
        else:
            link.answer(**reads(take, command["key"], command["seconds"]))


def looked_at(running: Running, burst_s: float) -> dict[str, float]:
    """Measure at each size."""
    figures: dict[str, float] = {}
    for keys in SIZES:
        if running.name == OURS:
            fill(running, keys)
        else:
            running.ask(keys=keys)
        found = running.ask(key=str(keys // 2), seconds=burst_s / len(SIZES))
        figures |= {f"{name}_{keys}": value for name, value in found.items()}
    return figures


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("state-read", "a look at one key of a replicated state")
    contenders = [
        Contender(OURS, (side(ours.publish_deltas), side(ours.follow))),
        Contender(PLAIN, (side(read_dict, copies=False),)),
        Contender(COPIED, (side(read_dict, copies=True),)),
    ]

    def burst(running: Running) -> dict[str, float]:
        return looked_at(running, settings.burst_s)

    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for keys in SIZES:
        for name in (PLAIN, OURS, COPIED):
            if name in rounds.left_out:
                continue
            samples = rounds.samples(name, f"look_up_ns_{keys}")
            found.add(f"{name}, {keys:,} keys", samples, "ns", is_ours=name == OURS)
    if OURS not in rounds.left_out:
        takes = rounds.samples(OURS, f"take_ns_{SIZES[-1]}")
        found.add(f"sf_actors, {SIZES[-1]:,} keys, taken whole", takes, "ns", is_ours=True)
    least, most = f"{SIZES[0]:,} keys", f"{SIZES[-1]:,} keys"
    found.compare(f"{OURS}, {most}", f"{OURS}, {least}", None, f"sf_actors: {most} / {least}")
    found.compare(f"{OURS}, {most}", f"{PLAIN}, {most}")
    found.compare(f"{OURS}, {most}", f"{COPIED}, {most}")
    found.notes.append(
        "service_framework hands out the dict that it changes, which is the plain dict here; the "
        "other peers replicate no state"
    )
    return found
