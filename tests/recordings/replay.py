"""Reads a recording and sends its deltas no faster than the replica handles them."""

from __future__ import annotations

import gzip
import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chained_hashes import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Deltas on their way at most; well below the high-water mark.
WINDOW = 400

#: How long to wait before the replica is asked again, in seconds.
PAUSE_S = 0.005


def received(path: str) -> Iterator[Any]:
    """Give each message that the recorded client received, numbers as they were written."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            recorded = json.loads(line)
            if recorded["t"] == "recv":
                yield json.loads(recorded["data"], parse_float=Decimal)


def send(to_send: Callable[..., Any], deltas: Iterable[dict[str, Any]]) -> None:
    """Send all deltas, each with its witness, and wait until the replica has handled the last."""
    witness = Witness()
    progress = to_send("connection", "progress", {})
    while progress["phase"] != "LIVE":
        time.sleep(PAUSE_S)
        progress = to_send("connection", "progress", {})
    for delta in deltas:
        to_send("state", "books", delta | witness.follow(delta))
        if witness.n % (WINDOW // 2) == 0:
            wait_for(to_send, witness.n - WINDOW // 2)
    wait_for(to_send, witness.n)
    print(json.dumps({"sent": witness.n + 1, "h": witness.h}), flush=True)  # noqa: T201 - the test reads it


def wait_for(to_send: Callable[..., Any], n: int) -> None:
    """Wait until the replica has handled a number."""
    while to_send("connection", "progress", {})["n"] < n:
        time.sleep(PAUSE_S)
