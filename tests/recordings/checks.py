"""What a replica has seen, number by number, and what was wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chained_hashes import Witness

if TYPE_CHECKING:
    from collections.abc import Mapping


class Checks:
    """The counts of one replica, printed when it stops.

    :ivar oracles: how often something recorded could tell whether a book is right
    :ivar agreed: how often it was
    :ivar resyncs: how often all fields were handed on
    """

    def __init__(self) -> None:
        self.witness = Witness()
        self.oracles = self.agreed = self.resyncs = 0
        self.faults: list[str] = []

    def follow(self, args: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
        """Check that this is the next update, whole, and that the state holds it.

        :returns: False after a resync, which hands on all fields and a number further on
        """
        delta = {name: change for name, change in args.items() if name not in ("n", "h")}
        last = self.witness.n
        expected = self.witness.follow(delta)
        if (value["n"], value["h"]) != (args["n"], args["h"]):
            self.faults.append(f"update {args['n']}, but the state is at {value['n']}")
        if expected == {"n": args["n"], "h": args["h"]}:
            return True
        self.witness.n, self.witness.h = args["n"], args["h"]
        if args["n"] > last and value == args:
            self.resyncs += 1
            return False
        self.faults.append(f"expected {expected}, got the update {args['n']} {args['h']}")
        return True

    def judge(self, recorded: object, found: object) -> None:
        """Compare what was recorded with what the state says."""
        self.oracles += 1
        if recorded == found:
            self.agreed += 1
        else:
            self.faults.append(f"update {self.witness.n}: recorded {recorded}, found {found}")

    def tell(self, states: Any) -> None:
        """Print all of it as one line."""
        status = states.status("books")
        told = {
            "handled": self.witness.n + 1,
            "resyncs_handled": self.resyncs,
            "h": self.witness.h,
            "books": len(states["books"]["books"]),
            "oracles": self.oracles,
            "agreed": self.agreed,
            "faults": self.faults[:5],
            "number": status.number,
            "phase": str(status.phase),
            "gaps": status.gaps,
            "resyncs": status.resyncs,
        }
        print(json.dumps(told), flush=True)  # noqa: T201 - the test reads it
