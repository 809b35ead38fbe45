"""How long a store with very many keys stops all else in a process: ``python -m … PATH KEYS``."""

from __future__ import annotations

import sys
import time

from tests.storage.keeping import Keeper
from tests.support.large_state_pauses import Pauses, in_one_go, look_until

BOOK = {"title": str, "bids": {str: float}}


def measure(path: str, keys: int) -> None:
    """Print the pauses; in the last line what it takes in one go, and the longest pause."""
    bids = {f"level {n}": n / 2 for n in range(keys)}
    at_once_ms = in_one_go(bids)
    pauses = Pauses.begun("store")
    keeper = Keeper(path, BOOK)
    keeper.send(title="a", bids=bids, is_snapshot=True)
    pauses.told("a whole value is sent")
    began = time.monotonic()
    look_until(lambda: keeper.store.flush(0.0))
    pauses.told(f"it is kept after {time.monotonic() - began:.2f} s")
    for n in range(0, keys, 500):
        change = {f"level {key}": key / 3 for key in range(n, n + 500)}
        keeper.send(bids=change)
    keeper.store.flush(60.0)
    writer = keeper.store._writer
    look_until(lambda: writer is None or not writer.recorder.is_compacting)
    pauses.told("all keys are updated, and the file is compacted")
    value, number = keeper.log.value, keeper.log.number
    keeper.store.close(60.0)
    pauses.told("it is closed")
    began = time.monotonic()
    again = Keeper(path, BOOK)
    pauses.told(f"it is read in {time.monotonic() - began:.2f} s")
    assert again.kept.number == number
    assert again.kept.value == value
    again.store.close(60.0)
    print(at_once_ms, pauses.longest_ms)  # noqa: T201


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]))
