"""What an actor with sockets is told to do, as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.actors.taps import Tap
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sync.latch import Latch


class Begin:
    """Start to read: the service is ready."""


class Drain:
    """Read nothing new; what was read goes on.

    :param latch: told when the actor has stopped reading
    """

    def __init__(self, latch: Latch) -> None:
        self.latch = latch


class LastLook:
    """Say when nobody has sent anything for a while, after the drain.

    :param latch: told then
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
    """Note what passes for these from now on; a message to an actor.

    :param begun: that of them which is new, and is to have a state's value first
    """

    __slots__ = ("begun", "taps")

    def __init__(self, taps: tuple[Tap, ...], begun: Tap | None) -> None:
        self.taps = taps
        self.begun = begun
