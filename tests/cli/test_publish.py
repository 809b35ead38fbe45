"""`publish`: a message to a subscriber, from inside or in place of its publisher."""

from __future__ import annotations

from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.connections import liveness
from sf_actors.testing import module_of
from tests.support.ports import held_port
from tests.support.services import service_of
from tests.support.shell import echoing, looked_at, ran
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sf_actors import Service
    from tests.cli.conftest import Shell

SUBSCRIBER = """
def on_tick(args):
    pass

connection_models = {'in': {'ticks': {
    'connection_type': 'subscriber',
    'required_creation_arguments': {'on_tick': on_tick},
    'optional_creation_arguments': {'topic': 'prices'},
    'required_arguments': {'price': float},
}}}
"""


def listening(
    got: Callable[[Any], None], address: str, topic: str = "prices", *, is_binder: bool = False
) -> Service:
    """Return a service that hands on what it hears."""

    def on_tick(args: dict[str, Any]) -> None:
        got(args)

    models = {
        "in": {
            "ticks": {
                "connection_type": "subscriber",
                "required_creation_arguments": {"on_tick": on_tick},
                "optional_creation_arguments": {"topic": topic, "is_binder": is_binder},
                "required_arguments": {"price": float},
            }
        }
    }
    addresses = {"connections": {"in": {"ticks": address}}}
    return service_of(module_of(connection_models=models), addresses=addresses, name="screen")


def test_a_message_reaches_the_handler_through_the_inspector(
    shell: Shell, new_address: Callable[[], str]
) -> None:
    got: Queue[Any] = Queue()
    with looked_at(listening(got.put, new_address())):
        found = shell("publish", "ticks", "price=1.5")

        assert got.get(timeout=PATIENCE_S) == {"price": 1.5}
    assert found.status == 0
    assert found.out == ""


def test_a_message_through_the_inspector_is_no_sign_of_the_publisher(
    shell: Shell, new_address: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "HEARTBEAT_S", 0.01)
    got: Queue[Any] = Queue()
    service = listening(got.put, new_address())
    with looked_at(service):
        for _ in range(10):
            assert shell("publish", "ticks", "price=1.5").status == 0
            got.get(timeout=PATIENCE_S)
            assert service.stats()["connections"]["in"]["ticks"]["peers"] == 0


def test_a_wrong_value_is_exit_status_2_and_nothing_is_sent(
    shell: Shell, new_address: Callable[[], str]
) -> None:
    got: Queue[Any] = Queue()
    with looked_at(listening(got.put, new_address())):
        assert shell("publish", "ticks", "price=high").status == 2
        assert shell("publish", "ticks").status == 2

    assert got.empty()


def test_a_replyer_is_no_subscriber(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        found = shell("publish", "desk/echo", "n=1")

    assert found.status == 3
    assert "which is a replyer" in found.err


@pytest.mark.slow
def test_with_an_address_it_takes_the_place_of_a_publisher(shell: Shell) -> None:
    got: Queue[Any] = Queue()
    with held_port() as port:
        address = f"127.0.0.1:{port}"
        with looked_at(listening(got.put, address)):
            found = shell("publish", "ticks", "price=2.5", "--address", address)

            assert found.status == 0, found.err
            assert got.get(timeout=PATIENCE_S) == {"price": 2.5}
    assert f"publishing at {address}, waiting for a subscriber" in found.err
    assert "sent to who has subscribed" in found.err


@pytest.mark.slow
def test_a_subscriber_that_is_bound_at_the_address_is_connected_to(
    shell: Shell, tmp_path: Path
) -> None:
    bound = SUBSCRIBER.replace("{'topic': 'prices'}", "{'topic': 'prices', 'is_binder': True}")
    (tmp_path / "svc.py").write_text(bound)
    got: Queue[Any] = Queue()
    service = listening(got.put, "127.0.0.1:0", is_binder=True)
    with looked_at(service):
        address = service.addresses["connections"]["in"]["ticks"]
        assert shell("publish", "ticks", "price=2.5", "--address", address).status == 0
        assert got.get(timeout=PATIENCE_S) == {"price": 2.5}
        there = ["--file", str(tmp_path / "svc.py"), "--address", address]
        assert ran("publish", "ticks", "price=3.5", *there).status == 0
        assert got.get(timeout=PATIENCE_S) == {"price": 3.5}


@pytest.mark.slow
def test_with_a_file_it_needs_no_inspector_and_nobody_is_exit_status_3(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(SUBSCRIBER)
    there = ["--file", str(tmp_path / "svc.py"), "--address", "127.0.0.1:0"]
    found = ran("publish", "ticks", "price=1", *there, "--wait", "0.2")

    assert found.status == 3
    assert "nobody has subscribed within 0.2 s" in found.err


@pytest.mark.slow
def test_an_address_that_is_taken_is_exit_status_1(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(SUBSCRIBER)
    service = echoing("desk")
    with service:
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        there = ["--file", str(tmp_path / "svc.py"), "--address", address]
        found = ran("publish", "ticks", "price=1", *there)

    assert found.status == 1
    assert "--address" in found.err
