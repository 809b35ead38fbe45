"""Models, addresses, counters and a sender for the tests of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.testing import module_of

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable
    from types import ModuleType

    from sf_actors import Service

#: An address that takes a free port.
ANY_PORT = "127.0.0.1:0"

Fields = dict[str, Any]


def replyer(
    handler: Callable[..., Any],
    arguments: Fields | None = None,
    returns: Fields | None = None,
    **creation: Any,
) -> Fields:
    """Return the model of a replyer."""
    return {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new_request": handler},
        "optional_creation_arguments": creation,
        "required_arguments": arguments,
        "required_return_arguments": returns,
    }


def requester(
    arguments: Fields | None = None, returns: Fields | None = None, **creation: Any
) -> Fields:
    """Return the model of a requester."""
    return {
        "connection_type": "requester",
        "optional_creation_arguments": creation,
        "required_arguments": arguments,
        "required_return_arguments": returns,
    }


def publisher(arguments: Fields | None = None, **creation: Any) -> Fields:
    """Return the model of a publisher."""
    return {
        "connection_type": "publisher",
        "optional_creation_arguments": {"wait_after_creation_s": 0.0, **creation},
        "required_arguments": arguments,
    }


def subscriber(
    handler: Callable[..., Any], arguments: Fields | None = None, **creation: Any
) -> Fields:
    """Return the model of a subscriber."""
    return {
        "connection_type": "subscriber",
        "required_creation_arguments": {"on_new_message": handler},
        "optional_creation_arguments": creation,
        "required_arguments": arguments,
    }


def external(
    target: Callable[..., Any] | str,
    arguments: Fields | None = None,
    returns: Fields | None = None,
    **creation: Any,
) -> Fields:
    """Return the model of an external target."""
    return {
        "connection_type": "external_target",
        "required_creation_arguments": {"target": target},
        "optional_creation_arguments": creation,
        "required_arguments": arguments,
        "required_return_arguments": returns,
    }


def service(
    name: str = "service_under_test",
    inbound: Fields | None = None,
    outbound: Fields | None = None,
    **definitions: Any,
) -> ModuleType:
    """Return a module with these connections, which can be run as a service."""
    return module_of(name, connection_models={"in": inbound, "out": outbound}, **definitions)


def at(inbound: Fields | None = None, outbound: Fields | None = None) -> Fields:
    """Return the addresses of connections."""
    return {"connections": {"in": inbound or {}, "out": outbound or {}}}


def address_of(running: Service, name: str = "echo", side: str = "in") -> str:
    """Return the address that the one socket of a connection is bound to."""
    entry = running.addresses["connections"][side][name]
    return entry if isinstance(entry, str) else next(iter(entry.values()))


def endpoint_of(running: Service, name: str, side: str = "in") -> str:
    """Return that address in the form for a bare ZeroMQ socket."""
    address = address_of(running, name, side)
    return address if "://" in address else f"tcp://{address}"


def counters(running: Service, name: str, side: str = "in") -> Fields:
    """Return the counters of a connection."""
    numbers: Fields = running.stats()["connections"][side][name]
    return numbers


class Sender:
    """An `init_function` that passes `to_send` to the test, which calls it from any thread."""

    def __init__(self) -> None:
        self.to_send: Any = None

    def __call__(self, to_send: Any) -> None:
        """Keep `to_send`."""
        self.to_send = to_send

    def connection(self, name: str, args: Any = None) -> Any:
        """Send through a connection."""
        return self.to_send("connection", name, {} if args is None else args)


def into(got: queue.Queue[Any]) -> Callable[..., None]:
    """Return a handler that puts its args into a queue."""

    def keep(args: Any) -> None:
        got.put(args)

    return keep
