from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.definition.addresses import read_addresses_file, resolve
from sf_actors.errors import AddressError
from sf_actors.sockets.endpoint import Endpoint, parse
from tests.support.bare_sockets import bare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ADDRESS = "127.0.0.1:5555"


@dataclass(frozen=True)
class Replyer:
    kind: str = "connections"
    side: str = "in"
    name: str = "orders"
    sockets: tuple[str, ...] = ("replyer",)
    binds: Mapping[str, bool] = field(default_factory=lambda: {"replyer": True})
    where: str = "svc.py: connection_models['in']['orders']"


REPLYER = Replyer()
REQUESTER = Replyer(side="out", name="desk", sockets=("requester",), binds={"requester": False})
TARGET = Replyer(side="out", name="sum", sockets=(), binds={})
BOOK = Replyer(
    kind="states",
    side="out",
    name="book",
    sockets=("publisher", "replyer"),
    binds={"publisher": True, "replyer": True},
)


def read(text: object) -> Endpoint:
    return parse(text, where="here")


def orders(entry: object) -> dict[str, Any]:
    return {"connections": {"in": {"orders": entry}}}


# One address


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("localhost:0", "tcp://localhost:0"),
        ("my_host-1.example:65535", "tcp://my_host-1.example:65535"),
        ("*:5555", "tcp://*:5555"),
        ("tcp://0.0.0.0:5555", "tcp://0.0.0.0:5555"),
        ("[::1]:5555", "tcp://[::1]:5555"),
        ("tcp://[::]:5555", "tcp://[::]:5555"),
        ("ipc:///tmp/orders", "ipc:///tmp/orders"),
        ("ipc://with space:and.dots", "ipc://with space:and.dots"),
        ("ipc://@abstract", "ipc://@abstract"),
        ("inproc://orders", "inproc://orders"),
    ],
)
def test_an_address_is_what_zeromq_takes(text: str, endpoint: str) -> None:
    assert read(text).zmq_endpoint == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "5555",
        ":5555",
        "tcp://:5555",
        "tcp://",
        "localhost:",
        "localhost:http",
        "localhost:-1",
        "localhost:65536",
        "localhost:*",
        "localhost: 5555",
        "localhost:٥",  # noqa: RUF001
        "localhost:5555/path",
        " localhost:5555",
        "local host:5555",
        "local\nhost:5555",
        "999.0.0.1:5555",
        "127.1:5555",
        "::1:5555",
        "[::1]",
        "[localhost]:5555",
        "[127.0.0.1]:5555",
        "a;b:5555",
        "udp://localhost:5555",
        "TCP://localhost:5555",
        "ipc://",
        "ipc://*",
        "ipc://\0",
        "ipc://\ud800",
        "inproc://",
        5555,
        None,
        ["localhost:5555"],
        b"localhost:5555",
        True,
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: object) -> None:
    with pytest.raises(AddressError, match=r"^here: expected [^\n]+, got [^\n]+$"):
        read(text)


def test_an_ipc_path_may_have_107_bytes() -> None:
    assert read("ipc:///" + "x" * 106).path == "/" + "x" * 106


def test_an_ipc_path_longer_than_107_bytes_says_how_long_it_is() -> None:
    with pytest.raises(AddressError, match="at most 107 bytes, got 109"):
        read("ipc:///" + "ü" * 54)


def test_a_name_of_inproc_may_be_as_long_as_a_socket_can_tell_its_address() -> None:
    name = "ü" * 122 + "x"
    endpoint = read(f"inproc://{name}").zmq_endpoint
    with bare(zmq.ROUTER, bind=endpoint) as socket:
        assert socket.getsockopt_string(zmq.LAST_ENDPOINT) == endpoint
    with pytest.raises(AddressError, match="at most 245 bytes, got 246"):
        read(f"inproc://{name}x")


@pytest.mark.parametrize(
    ("text", "bound", "shown"),
    [
        ("127.0.0.1:0", "tcp://127.0.0.1:40213", "127.0.0.1:40213"),
        ("localhost:0", "tcp://127.0.0.1:40213", "localhost:40213"),
        ("tcp://*:0", "tcp://0.0.0.0:40213", "tcp://*:40213"),
        ("[::1]:0", "tcp://[::1]:40213", "[::1]:40213"),
        ("localhost:5555", "tcp://127.0.0.1:5555", "localhost:5555"),
        ("ipc://x", "ipc://x", "ipc://x"),
        ("inproc://x", "inproc://x", "inproc://x"),
    ],
)
def test_a_bound_address_is_shown_in_the_shape_in_which_it_was_given(
    text: str, bound: str, shown: str
) -> None:
    assert read(text).as_bound(bound) == shown


@pytest.mark.parametrize(
    "text", ["127.0.0.1:5555", "*:0", "0.0.0.0:1", "[::1]:1", "ipc://x", "inproc://x"]
)
def test_a_binder_binds_exactly_the_host_it_is_given(text: str) -> None:
    assert read(text).bindable() == read(text)


def resolving(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    found = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, 1, 6, "", (host, 5555))
        for host in hosts
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)


def test_a_binder_binds_what_a_host_name_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "::1", "10.0.0.7")
    assert read("desk:5555").bindable().zmq_endpoint == "tcp://10.0.0.7:5555"


def test_a_binder_whose_host_has_ipv6_alone_binds_that(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "::1")
    bindable = read("desk:5555").bindable()
    assert (bindable.zmq_endpoint, bindable.is_ipv6) == ("tcp://[::1]:5555", True)


def test_a_resolved_address_is_shown_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.0.0.7")
    assert read("desk:0").bindable().as_bound("tcp://10.0.0.7:40213") == "desk:40213"


def test_a_host_name_that_does_not_resolve_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(
        AddressError, match=r"^here: cannot resolve the host 'nowhere' of 'nowhere:1'"
    ):
        read("nowhere:1").bindable()


@pytest.mark.parametrize(
    "text", ["*:5555", "0.0.0.0:5555", "tcp://0.0.0.0:5555", "[::]:5555", "[0:0::0]:5555"]
)
def test_a_connector_needs_one_host(text: str) -> None:
    with pytest.raises(AddressError, match=r"^here: expected the host to connect to"):
        read(text).require_connectable()


def test_a_connector_needs_a_port() -> None:
    with pytest.raises(AddressError, match=r"^here: expected the port to connect to"):
        read("localhost:0").require_connectable()


@pytest.mark.parametrize("text", ["localhost:1", "[::1]:1", "ipc://x", "inproc://x"])
def test_a_connector_takes_an_address_with_host_and_port(text: str) -> None:
    assert read(text).require_connectable() == read(text)


# The file


def test_an_addresses_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text('{"connections": {}}', encoding="utf-8")
    assert read_addresses_file(path) == {"connections": {}}


def test_an_addresses_file_that_is_not_json_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text("{,}", encoding="utf-8")
    with pytest.raises(AddressError, match=r"addresses\.json: line 1, column 2: not JSON"):
        read_addresses_file(path)


# All models


def test_each_socket_of_each_model_gets_its_address() -> None:
    addresses = {
        "connections": {
            "in": {"orders": {"replyer": "*:1"}},
            "out": {"desk": {"requester": "h:2"}},
        },
        "states": {"out": {"book": {"publisher": "*:3", "replyer": "*:4"}}},
    }
    resolved = resolve(addresses, [REPLYER, REQUESTER, TARGET, BOOK])
    texts = {key: {name: str(at) for name, at in of.items()} for key, of in resolved.items()}
    assert texts == {
        ("connections", "in", "orders"): {"replyer": "*:1"},
        ("connections", "out", "desk"): {"requester": "h:2"},
        ("connections", "out", "sum"): {},
        ("states", "out", "book"): {"publisher": "*:3", "replyer": "*:4"},
    }


@pytest.mark.parametrize("entry", [{"replyer": ADDRESS}, {"anything": ADDRESS}, ADDRESS])
def test_a_single_socket_model_takes_any_one_name_or_none(entry: object) -> None:
    resolved = resolve(orders(entry), [REPLYER])
    assert str(resolved["connections", "in", "orders"]["replyer"]) == ADDRESS


def test_a_single_socket_model_prefers_its_own_name() -> None:
    resolved = resolve(orders({"publisher": "a:1", "replyer": ADDRESS}), [REPLYER])
    assert str(resolved["connections", "in", "orders"]["replyer"]) == ADDRESS


def test_two_other_names_for_a_single_socket_are_refused() -> None:
    with pytest.raises(AddressError, match=r"the socket 'replyer' of .*, got 'a', 'b'"):
        resolve(orders({"a": "a:1", "b": "b:1"}), [REPLYER])


def test_a_missing_socket_of_two_names_the_nearest() -> None:
    addresses = {"states": {"out": {"book": {"publisher": "*:3", "replier": "*:4"}}}}
    with pytest.raises(AddressError, match=r"\['book'\]: .*'replyer'.*; did you mean 'replier'"):
        resolve(addresses, [BOOK])


def test_a_missing_model_names_its_place_and_the_nearest_name_given() -> None:
    addresses = {"connections": {"in": {"order": {"replyer": ADDRESS}}}}
    with pytest.raises(AddressError) as caught:
        resolve(addresses, [REPLYER])
    assert str(caught.value) == (
        "addresses['connections']['in']: expected the address of the socket 'replyer' of svc.py: "
        "connection_models['in']['orders'], got no 'orders'; did you mean 'order'?"
    )


def test_a_model_that_stands_on_the_other_side_says_so() -> None:
    addresses = {"connections": {"in": {}, "out": {"orders": {"replyer": ADDRESS}}}}
    with pytest.raises(
        AddressError, match=r"'orders' stands in addresses\['connections'\]\['out'\]"
    ):
        resolve(addresses, [REPLYER])


def test_a_misspelled_kind_names_the_nearest() -> None:
    with pytest.raises(AddressError, match="no 'connections'; did you mean 'conections'"):
        resolve({"conections": {}}, [REPLYER])


@pytest.mark.parametrize(
    "addresses",
    [None, {}, {"connections": None}, {"connections": {"in": None}}, orders(None)],
)
def test_what_is_none_or_missing_is_empty(addresses: object) -> None:
    with pytest.raises(AddressError, match=r"the address of the socket 'replyer' of svc\.py"):
        resolve(addresses, [REPLYER])


def test_a_model_whose_address_is_none_is_not_said_to_be_missing() -> None:
    with pytest.raises(AddressError, match=r"\['in'\]: expected .*, got None for 'orders'$"):
        resolve(orders(None), [REPLYER])


def test_a_missing_model_of_two_sockets_names_both() -> None:
    with pytest.raises(AddressError, match=r"of the sockets 'publisher' and 'replyer' of svc\.py"):
        resolve({}, [BOOK])


def test_without_sockets_no_addresses_are_needed() -> None:
    assert resolve(None, [TARGET]) == {("connections", "out", "sum"): {}}


def test_addresses_of_other_services_are_left_alone() -> None:
    addresses = orders({"replyer": ADDRESS})
    addresses["connections"]["out"] = {"theirs": ["not", "ours"]}
    addresses["states"] = {"in": {"theirs": 5}}
    assert len(resolve(addresses, [REPLYER])) == 1


@pytest.mark.parametrize(
    ("addresses", "place"),
    [
        ([], "addresses"),
        ({"connections": []}, r"addresses\['connections'\]"),
        ({"connections": {"in": 5}}, r"addresses\['connections'\]\['in'\]"),
        (orders([ADDRESS]), r"addresses\['connections'\]\['in'\]\['orders'\]"),
        (orders(5555), r"addresses\['connections'\]\['in'\]\['orders'\]"),
        (orders({"replyer": 5555}), r"addresses\['connections'\]\['in'\]\['orders'\]\['replyer'\]"),
        (orders({}), r"addresses\['connections'\]\['in'\]\['orders'\]"),
    ],
)
def test_a_wrong_shape_is_named_with_its_place(addresses: object, place: str) -> None:
    with pytest.raises(AddressError, match=f"^{place}: expected"):
        resolve(addresses, [REPLYER])


def test_a_plain_address_is_not_enough_for_two_sockets() -> None:
    with pytest.raises(AddressError, match=r"expected {'publisher': address, 'replyer': address}"):
        resolve({"states": {"out": {"book": ADDRESS}}}, [BOOK])


def test_a_connector_that_is_given_all_hosts_is_named_with_its_place() -> None:
    addresses = {"connections": {"out": {"desk": {"requester": "*:5555"}}}}
    with pytest.raises(AddressError, match=r"\['desk'\]\['requester'\]: expected the host"):
        resolve(addresses, [REQUESTER])


def test_messages_call_the_addresses_as_they_are_told_to() -> None:
    with pytest.raises(AddressError, match=r"^setup_addresses: expected"):
        resolve([], [REPLYER], where="setup_addresses")
