"""Services as an AsyncAPI 3.0.0 document: each model with sockets is a channel and an operation.

The payloads are the maps on the wire (README, "On the wire"), described with JSON types; the exact
type of each field is in its `x-sf-type`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sf_actors.inspection.messages import messages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sf_actors.definition.models import Model
    from sf_actors.inspection.outline import Outline
    from sf_actors.sockets.endpoint import Endpoint

#: The key of our own description of a channel.
MODEL: Final = "x-sf-model"

_CONTENT_TYPE: Final = "application/msgpack"
_RECEIVING: Final = ("replyer", "subscriber", "delta_update_in", "full_update_in")
_DESCRIPTIONS: Final = {
    "replyer": "answers requests",
    "requester": "sends requests and waits for their replies",
    "publisher": "publishes messages",
    "subscriber": "takes messages",
    "delta_update_out": "publishes a state, by merge patches (RFC 7396)",
    "delta_update_in": "follows a state, by merge patches (RFC 7396)",
    "full_update_out": "publishes a state, the whole value each time",
    "full_update_in": "follows a state, the whole value each time",
}


def document_of(outlines: Sequence[Outline]) -> dict[str, Any]:
    """Return the document of services, reproducibly.

    :param outlines: with unique names
    """
    servers = _Servers()
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": ", ".join(outline.name for outline in outlines),
            "version": "1.0.0",
            "description": "Services of sf_actors: MessagePack over ZeroMQ, one frame a message.",
        },
        "defaultContentType": _CONTENT_TYPE,
        "servers": servers.by_id,
        "channels": {},
        "operations": {},
    }
    for outline in outlines:
        for id_, model in _identified(outline):
            document["channels"][id_] = _channel(outline, model, servers)
            document["operations"][id_] = _operation(id_, model)
    if not servers.by_id:
        servers.by_id["localhost"] = {"host": "localhost", "protocol": "zmq"}
    return document


def _identified(outline: Outline) -> Iterator[tuple[str, Model]]:
    """Yield the models with sockets, each with an id: its name, or its full place if not unique."""
    models = [model for model in outline.models if model.sockets]
    names = Counter(model.name for model in models)
    for model in models:
        name = model.name
        if names[name] > 1:
            name = f"{model.kind}.{model.side}.{name}"
        yield f"{outline.name}.{name}", model


def _channel(outline: Outline, model: Model, servers: _Servers) -> dict[str, Any]:
    topic = model.creation.get("topic")
    channel: dict[str, Any] = {
        # AsyncAPI reads braces in an address as parameters
        "address": None if topic is None or set(topic) & set("{}") else topic,
        "title": f"{outline.name}/{model.name}",
        "description": f"A {model.type} of {outline.name}: it {_DESCRIPTIONS[model.type]}.",
        "messages": messages_of(model),
        MODEL: {
            "service": outline.name,
            "kind": model.kind,
            "side": model.side,
            "name": model.name,
            "type": model.type,
            "topic": topic,
        },
    }
    endpoints = outline.endpoints.get(model.key, {})
    found = [
        servers.reference(f"{outline.name}-{model.name}-{socket}", one)
        for socket, endpoint in endpoints.items()
        for one in endpoint.all
    ]
    if found:
        channel["servers"] = list({ref["$ref"]: ref for ref in found}.values())
    return channel


def _operation(id_: str, model: Model) -> dict[str, Any]:
    channel = reference("channels", id_)
    message = "request" if model.type in ("replyer", "requester") else "message"
    operation: dict[str, Any] = {
        "action": "receive" if model.type in _RECEIVING else "send",
        "channel": channel,
        "messages": [reference("channels", id_, "messages", message)],
    }
    if message == "request":
        reply = reference("channels", id_, "messages", "reply")
        operation["reply"] = {"channel": channel, "messages": [reply]}
    return operation


class _Servers:
    """The servers of a document, one for each address."""

    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, Any]] = {}
        self._ids: dict[str, str] = {}

    def reference(self, wanted: str, endpoint: Endpoint) -> dict[str, str]:
        """Return a reference to the server of an address, adding the server if it is new.

        :param wanted: the id for a new one; any characters
        """
        address = endpoint.zmq_endpoint
        if address not in self._ids:
            id_ = first = re.sub(r"[^A-Za-z0-9_-]", "_", wanted)
            number = 1
            while id_ in self.by_id:
                number += 1
                id_ = f"{first}-{number}"
            self._ids[address] = id_
            self.by_id[id_] = _server(endpoint)
        return reference("servers", self._ids[address])


def _server(endpoint: Endpoint) -> dict[str, Any]:
    address = endpoint.zmq_endpoint
    host = address.removeprefix("tcp://") if endpoint.scheme == "tcp" else "localhost"
    server = {"host": host, "protocol": "zmq", "x-sf-address": address}
    if endpoint.scheme == "ipc" and endpoint.path.startswith("/"):
        server["pathname"] = endpoint.path
    return server


def reference(*steps: str) -> dict[str, str]:
    """Return a reference to a place of the document."""
    pointer = (step.replace("~", "~0").replace("/", "~1") for step in steps)
    return {"$ref": "#/" + "/".join(quote(step, safe="~") for step in pointer)}
