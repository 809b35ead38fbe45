"""What the handler of an in-state may ask to be told of the update that it is called for."""

from __future__ import annotations

import msgspec


class Update(msgspec.Struct, frozen=True):
    """An update that a handler is called for.

    :ivar number: its number
    :ivar epoch: the run of the publisher that it comes from; None for a peer without epochs
    :ivar is_whole: the handler's `args` are the whole value: keys that they lack are gone
    """

    number: int
    epoch: int | None = None
    is_whole: bool = False
