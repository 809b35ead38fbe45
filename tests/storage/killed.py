"""Kills a process that keeps a state, again and again: ``python -m … PATH CYCLES SEED``.

Each cycle is a fork of this process, which has no threads and opens no store itself: so it takes
milliseconds. Update `n` sets the title to `n`, and key ``n % KEYS`` to `n`. So the number alone
says what the whole value has to be.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import time
from typing import Any

from sf_actors.storage import compaction, pending, recorder
from tests.storage.keeping import Keeper

KEYS = 3_000
BOOK = {"title": str, "levels": {str: int}}

#: Ticks of the clock at which a process notes how far it is.
TICK_S = 0.005
TICKS = 1_000

#: How far back a kill may reach here, in seconds: 50 ms are promised to a process that has its
#: processor, and tests run beside others.
LOST_AT_MOST_S = 0.5


def expected(number: int) -> dict[str, Any]:
    """Return the value after an update, with an excerpt of its keys."""
    if number < 0:
        return {}
    levels = {str(n % KEYS): n for n in range(max(0, number - KEYS + 1), number + 1)}
    return {"title": str(number), "levels": levels}


def update(keeper: Keeper, number: int, chance: random.Random) -> None:
    if not chance.randrange(2_000):
        # a whole value, large enough to be written in pieces
        keeper.send(**expected(number), is_snapshot=True)
    else:
        keeper.send(title=str(number), levels={str(number % KEYS): number})


def live(path: str, noted: mmap.mmap, told: int, seed: int) -> None:
    """Check what is kept, then update the state until the end."""
    chance = random.Random(seed)
    compaction.SMALL_BYTES = 64 * 1024  # type: ignore[misc]
    if chance.randrange(2):
        # compactions that are under way at most moments
        recorder._STEPS_S = recorder._URGENT_STEPS_S = 0.0  # type: ignore[misc]
        compaction.STEP_BYTES = compaction.ROW_BYTES = 2048  # type: ignore[misc]
    if not chance.randrange(4):
        # often more than fits
        pending.MOST_BYTES = pending.ROW_BYTES = 4096  # type: ignore[misc]
    keeper = Keeper(path, BOOK)
    number = keeper.kept.number
    is_right = keeper.value == expected(number)
    os.write(told, struct.pack("?q", is_right, number))
    begun = time.monotonic()
    while True:
        number += 1
        update(keeper, number, chance)
        tick = int((time.monotonic() - begun) / TICK_S) % TICKS
        struct.pack_into("dq", noted, 16 * tick, time.monotonic(), number)


def cycle(path: str, noted: mmap.mmap, chance: random.Random) -> tuple[bool, int]:
    """Start a process, kill it, and return whether it found the right value, and its number."""
    heard, told = os.pipe()
    seed = chance.randrange(2**32)
    noted[:] = bytes(len(noted))
    child = os.fork()
    if not child:
        live(path, noted, told, seed)
    os.close(told)
    is_right, number = struct.unpack("?q", os.read(heard, 16))
    os.close(heard)
    time.sleep(chance.uniform(0.0, 0.04))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return is_right, number


def lost_s(noted: mmap.mmap, number: int) -> float:
    """Return how long before its end a process had made the first update that is lost."""
    notes = [struct.unpack_from("dq", noted, 16 * tick) for tick in range(TICKS)]
    end = max(at for at, _ in notes)
    return max([0.0, *(end - at for at, told in notes if at and told > number)])


def torture(path: str, cycles: int, seed: int) -> None:
    """Print what was lost; fail when a value is no value that there was, or too old."""
    chance = random.Random(seed)
    noted = mmap.mmap(-1, 16 * TICKS)
    losses = []
    for _ in range(cycles):
        before = noted[:]
        is_right, number = cycle(path, noted, chance)
        assert is_right, f"the value is not that of update {number}"
        after, noted[:] = noted[:], before
        losses.append(lost_s(noted, number))
        noted[:] = after
    losses.sort()
    print(  # noqa: T201
        f"{cycles} kills, {number} updates; lost: most {1000 * losses[-1]:.0f} ms, "
        f"median {1000 * losses[cycles // 2]:.0f} ms"
    )
    assert losses[-1] < LOST_AT_MOST_S, losses[-5:]


if __name__ == "__main__":
    torture(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
