"""The sides of this package: plain service files, run by `Service` with default settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.counting import count_messages
from benchmarks.ports import free_port

if TYPE_CHECKING:
    from benchmarks.link import Link
    from sf_actors import Service

SERVICES = Path(__file__).parent / "services"


def echo_service(file: str = "echo") -> Service:
    """Return an echo, to be run on a free port.

    :param file: the service file's name without `.py`
    """
    return service(file, {"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}})


def bound_port(running: Service) -> int:
    """Return the port that a running echo took."""
    address: str = running.addresses["connections"]["in"]["echo"]["replyer"]
    return int(address.rpartition(":")[2])


def serve(link: Link, file: str = "echo") -> None:
    """Answer echoes.

    :param file: the service file's name without `.py`
    """
    with echo_service(file) as running:
        link.ready(port=bound_port(running))
        running.wait()


def ask(_link: Link, port: int) -> None:
    """Call from the main of a service, one call after the other."""
    addresses = {"connections": {"out": {"echo": {"requester": f"127.0.0.1:{port}"}}}}
    service("ask", addresses).run_service_as_main_blocking()


def ask_many(_link: Link, port: int, in_flight: int) -> None:
    """Call from many threads of one service."""
    addresses = {"connections": {"out": {"echo": {"requester": f"127.0.0.1:{port}"}}}}
    config = {"in_flight": in_flight}
    service("ask_many", addresses, config).run_service_as_main_blocking()


def work(link: Link, *, name: str, **_others: int) -> None:
    """Answer after a millisecond.

    :param name: the name of the port in the arguments of the calling side
    :param _others: the ports of the sides that started before
    """
    with service("work", {"connections": {"in": {"work": {"replyer": "127.0.0.1:0"}}}}) as running:
        address = running.addresses["connections"]["in"]["work"]["replyer"]
        link.ready(**{name: int(address.rpartition(":")[2])})
        running.wait()


def ask_workers(_link: Link, in_flight: int, **ports: int) -> None:
    """Call from many threads of one service, whose one requester has all these ports."""
    places = [f"127.0.0.1:{port}" for port in ports.values()]
    addresses = {"connections": {"out": {"echo": {"requester": places}}}}
    service("ask_many", addresses, {"in_flight": in_flight}).run_service_as_main_blocking()


def ask_counted(_link: Link, port: int) -> None:
    """Make a given number of calls from some threads of a service."""
    addresses = {"connections": {"out": {"echo": {"requester": f"127.0.0.1:{port}"}}}}
    service("ask_counted", addresses).run_service_as_main_blocking()


def serve_and_ask(_link: Link) -> None:
    """Play both sides of the echo in one process, over inproc."""
    served = {"connections": {"in": {"echo": {"replyer": "inproc://echo"}}}}
    asked = {"connections": {"out": {"echo": {"requester": "inproc://echo"}}}}
    with service("echo", served):
        service("ask", asked).run_service_as_main_blocking()


def publish(link: Link) -> None:
    """Publish messages from the main of a service."""
    link.ready(port=(port := free_port()))
    addresses = {"connections": {"out": {"trades": {"publisher": f"127.0.0.1:{port}"}}}}
    service("publish", addresses).run_service_as_main_blocking()


def subscribe(link: Link, port: int) -> None:
    """Count the messages in the handler of a service."""
    addresses = {"connections": {"in": {"trades": {"subscriber": f"127.0.0.1:{port}"}}}}
    with service("subscribe", addresses):
        count_messages(link)


def publish_deltas(link: Link, *, digest: bool = False, store: str | None = None) -> None:
    """Publish deltas from the main of a service."""
    publisher, replyer = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    link.ready(publisher=publisher, replyer=replyer)
    addresses = {"states": {"out": {"book": {"publisher": publisher, "replyer": replyer}}}}
    config = {"digest": digest, **({"store": store} if store else {})}
    service("book_out", addresses, config).run_service_as_main_blocking()


def follow(_link: Link, publisher: str, replyer: str) -> None:
    """Follow the deltas, with a main that reads the replica."""
    addresses = {"states": {"in": {"book": {"subscriber": publisher, "requester": replyer}}}}
    service("book_in", addresses, allow_inbound=True).run_service_as_main_blocking()


def service(
    file: str,
    addresses: dict[str, Any],
    config: dict[str, Any] | None = None,
    *,
    allow_inbound: bool = False,
) -> Service:
    """Return a service file of this package, with default settings.

    :param file: its name without `.py`
    """
    # imported here, so that the processes of other contenders do not load the package
    from sf_actors import Service  # noqa: PLC0415

    return Service(
        SERVICES / f"{file}.py", config=config, addresses=addresses, allow_inbound=allow_inbound
    )
