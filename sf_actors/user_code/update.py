"""The `update` argument, which the handler of an in-state may take."""

from __future__ import annotations

import msgspec


class Update(msgspec.Struct, frozen=True):
    """The facts about the update for which a handler is called.

    :ivar number: its number
    :ivar epoch: the run of the publisher that sent it; None for a peer without epochs
    :ivar is_whole: whether the handler's `args` are the whole value: keys that they lack are gone
    """

    number: int
    epoch: int | None = None
    is_whole: bool = False
