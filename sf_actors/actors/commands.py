"""The messages that tell an actor with sockets what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.actors.taps import Tap
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sync.latch import Latch


class Begin:
    """Start reading: the service is READY."""


class Drain:
    """Stop reading; messages that were read are still handled.

    :param latch: told when the actor has stopped reading
    """

    def __init__(self, latch: Latch) -> None:
        self.latch = latch


class LastLook:
    """After the drain, report when nobody has sent anything for a while.

    :param latch: told at that time
    """

    def __init__(self, latch: Latch) -> None:
        self.latch = latch


class Move:
    """Connect elsewhere: a successor with these addresses takes the actor's place.

    :param endpoints: the address of each of the model's sockets
    """

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.endpoints = endpoints


class SetTaps:
    """Copy what passes to these taps from now on.

    :param begun: the new one of them, which gets a state's value first
    """

    __slots__ = ("begun", "taps")

    def __init__(self, taps: tuple[Tap, ...], begun: Tap | None) -> None:
        self.taps = taps
        self.begun = begun
