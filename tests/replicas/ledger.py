"""What a publisher publishes, number by number: the judge of its replicas.

Both sides can write it, since the same run makes the same updates. Each carries a witness, the
number and a chain of hashes; what an update that was lost, doubled or moved has done to the rows
may heal with the next ones, what it has done to the chain does not.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.recordings.chained_hashes import Witness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The fields of the state; `pad` makes updates large.
FIELDS = {"run": int, "n": int, "h": str, "rows": {int: int}}
OPTIONAL = {"pad": str}

#: Rows that are always there, so that no update looks like a whole value.
FIRST = {100: 0, 101: 0}


class Ledger:
    """The updates of one run and the value after each, by number.

    :param run: another one makes other updates
    """

    def __init__(self, run: int) -> None:
        self.run = run
        self._deltas: dict[int, dict[str, Any]] = {}
        self._values: dict[int, dict[str, Any]] = {}
        self._oldest = 0
        self._witness = Witness()
        self._rng = random.Random(run)
        self._rows: dict[int, int] = {}

    def delta(self, n: int) -> dict[str, Any]:
        """Return the update of a number."""
        while self._witness.n < n:
            self._write()
        return self._deltas[n]

    def value(self, n: int) -> dict[str, Any]:
        """Return the value after a number."""
        self.delta(n)
        return self._values[n]

    def forget(self, n: int) -> None:
        """Take all numbers up to this one for done with."""
        for done in range(self._oldest, n + 1):
            del self._deltas[done], self._values[done]
        self._oldest = max(self._oldest, n + 1)

    def _write(self) -> None:
        change: dict[int, int | None] = {self._rng.randrange(8): self._rng.choice((None, 1, 2, 3))}
        if self._witness.n < 0:
            change = {**FIRST}
        delta: dict[str, Any] = {"run": self.run, "rows": change}
        delta |= self._witness.follow(delta)
        for key, row in change.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row
        self._deltas[delta["n"]] = delta
        self._values[delta["n"]] = {**delta, "rows": dict(self._rows)}

    def check(self, updates: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        """Check what a handler was called with, args and value, and return the last number.

        Each value is the publisher's at its number; without a resync the numbers go up by one,
        with a resync, which hands on all fields, they never go down: a publisher that was started
        again may have the value that the replica had already.
        """
        last = -1
        for args, value in updates:
            n = value["n"]
            assert value == self.value(n)
            if args == self.delta(n):
                assert n == last + 1
            else:
                assert args == self.value(n)
                assert n >= last, f"{n} after {last}"
            last = n
        return last
