"""The routing ids that ROUTER sockets give, kept from being guessed.

A ROUTER gives each peer that names none an id of a zero byte and four bytes that count up from a
random number, and the process is aborted when that id is taken: by a peer that named itself so. In
libzmq 4.3.5 the random number comes from C's `rand`, which nobody seeds, so that it is the same in
each process. Seeded from the system's randomness it cannot be known, and one peer meets another's
id in one of 2**32 cases. (Where keys are used, ids are given by our authenticator instead.)
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def seed() -> None:
    """Make the ids of the ROUTER that is opened next unpredictable; any thread.

    Before each of them, not once a process: whoever uses C's `rand` as well may seed it with a
    number that is known, and a fork copies its state.
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
