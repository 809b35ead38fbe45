"""Makes the routing ids that ROUTER sockets assign unpredictable.

A ROUTER assigns an id to each peer that has none: a zero byte, and four bytes that count up from a
random number. If a peer has chosen that id for itself, libzmq aborts the process. In libzmq 4.3.5
the number comes from C's `rand`, which is never seeded and so is the same in every process. Seeded
from the system's randomness it is unknown, and a peer guesses an id with a chance of one in 2**32.
(With keys, our authenticator assigns the ids instead.)
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def seed() -> None:
    """Make the ids of the next opened ROUTER unpredictable; any thread.

    To be called before each one: other code may seed C's `rand` with a known number, and a fork
    copies its state.
    """
    _srand()(int.from_bytes(os.urandom(4), "little"))


@cache
def _srand() -> Callable[[int], object]:
    # imported here since most programs need it for nothing else
    from ctypes import CDLL, c_uint  # noqa: PLC0415

    srand = CDLL(None).srand
    srand.argtypes = [c_uint]
    srand.restype = None
    return srand
