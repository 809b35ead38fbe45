"""The ends of services: models with sockets, which can be connected to other models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import AddressError
from sf_actors.sockets.endpoint import Endpoint, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sf_actors.inspection.outline import Outline

#: Type of model -> the kind of its messages, and the socket whose address joins it to others.
_KINDS: Final = {
    "replyer": ("call", "replyer"),
    "requester": ("call", "requester"),
    "publisher": ("message", "publisher"),
    "subscriber": ("message", "subscriber"),
    "delta_update_out": ("delta_update", "publisher"),
    "delta_update_in": ("delta_update", "subscriber"),
    "full_update_out": ("full_update", "publisher"),
    "full_update_in": ("full_update", "subscriber"),
}
#: Type of model -> its other socket, for snapshots.
_SNAPSHOTS: Final = {"delta_update_out": "replyer", "delta_update_in": "requester"}
#: The types at the sending end of an edge.
_SENDING: Final = ("requester", "publisher", "delta_update_out", "full_update_out")
#: The types that bind by default.
_BINDING: Final = ("replyer", "publisher", "delta_update_out", "full_update_out")


@dataclass(frozen=True, slots=True)
class End:
    """One model of one service.

    :ivar service: its unique name in the graph
    :ivar kind: of its messages: `call`, `message`, `delta_update`, `full_update`
    :ivar sends: it is at the sending end of an edge
    :ivar endpoints: the addresses that it binds or connects to; empty if unknown
    :ivar snapshots: the same for the snapshot socket of a delta state
    :ivar pid: its process, if it runs
    :ivar is_bus: it forwards messages of all topics
    """

    service: str
    model: str
    side: str
    kind: str
    sends: bool
    binds: bool
    topic: str | None
    endpoints: tuple[Endpoint, ...]
    pid: int | None = None
    is_bus: bool = False
    snapshots: tuple[Endpoint, ...] = ()

    @property
    def address(self) -> str:
        """The addresses as a text; '' if they are not known."""
        sockets = (self.endpoints, self.snapshots)
        texts = [" or ".join(one.text for one in socket) for socket in sockets if socket]
        return ", ".join(texts)


def ends_of_outline(outline: Outline) -> Iterator[End]:
    """Yield the ends of a service file."""
    for model in outline.models:
        if model.type not in _KINDS:
            continue
        kind, socket = _KINDS[model.type]
        endpoints = outline.endpoints.get(model.key, {})
        endpoint = endpoints.get(socket)
        snapshots = endpoints.get(_SNAPSHOTS.get(model.type, ""))
        yield End(
            outline.name,
            model.name,
            model.side,
            kind,
            sends=model.type in _SENDING,
            binds=model.binds[socket],
            topic=model.creation.get("topic"),
            endpoints=() if endpoint is None else endpoint.all,
            snapshots=() if snapshots is None else snapshots.all,
        )


def ends_of_info(info: Mapping[str, Any], service: str) -> Iterator[End]:
    """Yield the ends of a running service.

    :param info: the `info` from its inspector
    :param service: its name in the graph
    """
    inbound = info["addresses"].get("connections", {}).get("in", {})
    if inbound.keys() == {"xsub", "xpub"} and not any(info["models"]["connections"].values()):
        yield from _ends_of_bus(inbound, service, info["pid"])
    for kind_of_model, sides in info["models"].items():
        for side, models in sides.items():
            for name, model in models.items():
                if model["type"] not in _KINDS:
                    continue
                kind, socket = _KINDS[model["type"]]
                known = info["addresses"].get(kind_of_model, {}).get(side, {}).get(name, {})
                # one socket may bind and the other not, of a delta state that publishes to a bus
                binds = model.get("binds", model["type"] in _BINDING)
                yield End(
                    service,
                    name,
                    side,
                    kind,
                    sends=model["type"] in _SENDING,
                    binds=(model.get("sockets") or {}).get(socket, binds),
                    topic=model.get("topic"),
                    endpoints=tuple(_parsed(known.get(socket))),
                    pid=info["pid"],
                    snapshots=tuple(_parsed(known.get(_SNAPSHOTS.get(model["type"], "")))),
                )


def _ends_of_bus(bound: Mapping[str, Any], service: str, pid: int) -> Iterator[End]:
    """Yield the ends of a bus, which forwards messages and updates alike."""
    for kind in ("message", "delta_update", "full_update"):
        for name, side, sends in (("xsub", "in", False), ("xpub", "out", True)):
            yield End(
                service,
                name,
                side,
                kind,
                sends=sends,
                binds=True,
                topic=None,
                endpoints=tuple(_parsed(bound[name])),
                pid=pid,
                is_bus=True,
            )


def _parsed(given: Any) -> Iterator[Endpoint]:
    """Yield the addresses in a text or list; unknown forms, as of a later version, are left out."""
    for text in given if isinstance(given, list) else [given]:
        try:
            yield parse(text, where="info")
        except AddressError:
            continue
