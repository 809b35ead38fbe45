"""What the models of a service are, as data: so that one process can read a service for another."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Type of model -> its family, and what passes it. Models of one family may be joined.
FAMILIES: Final = {
    "replyer": ("call", "call"),
    "requester": ("call", "call"),
    "publisher": ("message", "message"),
    "subscriber": ("message", "message"),
    "delta_update_out": ("state", "delta_update"),
    "delta_update_in": ("state", "delta_update"),
    "full_update_out": ("state", "full_update"),
    "full_update_in": ("state", "full_update"),
}
#: Types that stand where a link begins: who asks, publishes or tells.
SENDING: Final = ("requester", "publisher", "delta_update_out", "full_update_out")

#: The sockets of a bus, by their names in its addresses.
XSUB: Final = "xsub"
XPUB: Final = "xpub"

Key = tuple[str, str, str]


@dataclass(frozen=True)
class ModelOutline:
    """One model with sockets.

    :ivar binds: by socket: whether it binds
    :ivar creation: its creation arguments, those that are plain values
    :ivar messages: as `sf_actors.inspection.messages.messages_of` gives them
    :ivar asks: the names of outbound connections that its handler asks, by literal names
    :ivar at: where the source shows it, 'exchange.py:12'; else the file
    :ivar has_handler: whether user code is called with what comes in, or with a state's phases
    """

    service: str
    kind: str
    side: str
    name: str
    type: str
    binds: Mapping[str, bool]
    creation: Mapping[str, Any] = field(default_factory=dict)
    messages: Mapping[str, Any] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    at: str = ""
    has_handler: bool = False

    def __str__(self) -> str:
        return f"{self.service}/{self.name}"

    @property
    def key(self) -> Key:
        """Its key within its service: kind, side and name."""
        return self.kind, self.side, self.name

    @property
    def family(self) -> str:
        """What it may be joined to: 'call', 'message' or 'state'."""
        return FAMILIES[self.type][0]

    @property
    def passes(self) -> str:
        """What passes it: 'call', 'message', 'delta_update' or 'full_update'."""
        return FAMILIES[self.type][1]

    @property
    def sends(self) -> bool:
        """Whether a link begins here."""
        return self.type in SENDING

    @property
    def topic(self) -> str | None:
        """The only topic that it publishes or hears; None: all, or none at all."""
        topic: str | None = self.creation.get("topic")
        return topic

    @property
    def is_at_bus(self) -> bool:
        """Whether it connects to a bus for what passes it."""
        return bool(self.creation.get("is_x_pub") or self.creation.get("is_x_sub"))

    @property
    def main_socket(self) -> str:
        """The socket that what passes it goes through; of delta states not that of snapshots."""
        return next(iter(self.binds))

    @property
    def is_binder(self) -> bool:
        """Whether others connect to it for what passes it."""
        return self.binds[self.main_socket]


@dataclass(frozen=True)
class ServiceOutline:
    """What a service file says once its setup hooks have run; a bus has no models.

    :ivar models: those with sockets
    :ivar timers: those without, whose handlers may ask others
    :ivar addresses: as `setup_addresses` changes those that were given; None: as they were
    :ivar takes_instance: whether its `config_model` declares `instance`
    """

    name: str
    models: tuple[ModelOutline, ...] = ()
    timers: tuple[ModelOutline, ...] = ()
    is_bus: bool = False
    addresses: Mapping[str, Any] | None = None
    takes_instance: bool = False

    @cached_property
    def by_key(self) -> dict[Key, ModelOutline]:
        """The models by kind, side and name."""
        return {model.key: model for model in self.models}


def named_by(models: tuple[ModelOutline, ...], key: str) -> list[ModelOutline]:
    """Return the models that a key of a fleet file names: 'book', 'states/book'."""
    kind, separator, name = key.rpartition("/")
    return [
        model for model in models if model.name == name and (not separator or model.kind == kind)
    ]
