"""The models of a service as data, so that one process can read a service for another."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The family and the kind of messages of each model type. Models of one family may be linked.
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
#: The types at the sending end of a link.
SENDING: Final = ("requester", "publisher", "delta_update_out", "full_update_out")

#: The sockets of a bus, by their names in its addresses.
XSUB: Final = "xsub"
XPUB: Final = "xpub"

Key = tuple[str, str, str]


@dataclass(frozen=True)
class ModelOutline:
    """One model with sockets.

    :ivar binds: by socket: True if it binds
    :ivar creation: its creation arguments that are plain values
    :ivar messages: as returned by `sf_actors.inspection.messages.messages_of`
    :ivar asks: the outbound connections that its handler calls by literal names
    :ivar at: its place in the source, such as 'exchange.py:12', or the file
    :ivar has_handler: user code is called with messages, or with a state's phases
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
        """The family, 'call', 'message' or 'state'; only models of one family can be linked."""
        return FAMILIES[self.type][0]

    @property
    def passes(self) -> str:
        """The kind of its messages: 'call', 'message', 'delta_update' or 'full_update'."""
        return FAMILIES[self.type][1]

    @property
    def sends(self) -> bool:
        """True if it is at the sending end of a link."""
        return self.type in SENDING

    @property
    def topic(self) -> str | None:
        """The only topic that it publishes or subscribes to; None: all, or no topic."""
        topic: str | None = self.creation.get("topic")
        return topic

    @property
    def is_at_bus(self) -> bool:
        """True if its messages pass through a bus that it connects to."""
        return bool(self.creation.get("is_x_pub") or self.creation.get("is_x_sub"))

    @property
    def main_socket(self) -> str:
        """The socket for its messages; for delta states not that of snapshots."""
        return next(iter(self.binds))

    @property
    def is_binder(self) -> bool:
        """True if others connect to it for its messages."""
        return self.binds[self.main_socket]


@dataclass(frozen=True)
class ServiceOutline:
    """The models of a service after its setup hooks have run; a bus has none.

    :ivar models: the models with sockets
    :ivar timers: the timers, whose handlers may call others
    :ivar addresses: the addresses after `setup_addresses`; None: as they were given
    :ivar takes_instance: its `config_model` declares `instance`
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
