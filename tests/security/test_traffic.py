"""Services with keys talk to each other, to a bus, and to nobody else."""

from __future__ import annotations

import queue
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import module_of, running
from tests.security.keyrings import PATIENCE_MS, Keyring, Knocker
from tests.security.services import (
    WAIT_S,
    X,
    addresses_in,
    client_addresses,
    client_module,
    server_module,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("mark", [1, 2, 1_000])
def test_two_services_with_keys_talk_over_every_kind_of_model(
    server: Keyring, friend: Keyring, tmp_path: Path, mark: int
) -> None:
    got: queue.Queue[tuple[str, object]] = queue.Queue()
    over: list[Any] = []

    def init_there(to_send: Any) -> None:
        over.append(to_send)
        to_send("state", "delta", {"x": 1})

    def init_here(to_send: Any) -> None:
        got.put(("replyer", to_send("connection", "replyer", {"x": 4})["x"]))
        over.append(to_send)

    there = server_module(init_function=init_there)
    there.connection_models["in"]["binder"]["required_creation_arguments"] = {
        "on_new_message": lambda args: got.put(("binder", args["x"]))
    }
    here = client_module(got, init_function=init_here)
    for module in (there, here):
        set_marks(module, mark)
    with ExitStack() as stack:
        stack.enter_context(running(there, keys=server.folder, addresses=addresses_in(tmp_path)))
        own = client_addresses(tmp_path)
        # the joining of subscribers cannot be seen from outside: publish until all is there
        stack.enter_context(running(here, keys=friend.folder, addresses=own))
        seen: dict[str, object] = {}
        for _ in range(PATIENCE_MS // 50):
            over[0]("connection", "publisher", {"x": 2})
            over[0]("state", "full", {"x": 3})
            over[1]("connection", "binder", {"x": 5})
            try:
                while True:
                    name, x = got.get(timeout=0.05)
                    seen.setdefault(name, x)
            except queue.Empty:
                if len(seen) == 5:
                    break
    assert seen == {"delta": 1, "publisher": 2, "full": 3, "replyer": 4, "binder": 5}


def set_marks(module: Any, mark: int) -> None:
    """Let no more than so many messages wait for each peer of a module."""
    for kind in (module.connection_models, module.state_models):
        for models in kind.values():
            for model in models.values():
                model.setdefault("optional_creation_arguments", {})["high_water_mark"] = mark


class Bus:
    """An XSUB and an XPUB socket that speak CURVE alone, to be passed on between by hand."""

    def __init__(self, keys: Keyring, folder: Path, knocker: Knocker) -> None:
        self._xsub, self._xpub = knocker.socket(zmq.XSUB), knocker.socket(zmq.XPUB)
        for name, socket in (("xsub", self._xsub), ("xpub", self._xpub)):
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
            socket.bind(f"ipc://{folder}/{name}")

    def close(self) -> None:
        self._xsub.close()
        self._xpub.close()

    def sends_within_ms(self, wait_ms: int) -> bool:
        return bool(self._xsub.poll(wait_ms))

    def pass_on_subscription(self) -> None:
        assert self._xpub.poll(PATIENCE_MS)
        self._xsub.send(self._xpub.recv())

    def pass_on(self) -> None:
        assert self._xsub.poll(PATIENCE_MS)
        self._xpub.send(self._xsub.recv())


@pytest.mark.slow
def test_connections_to_a_bus_use_the_keys(
    tmp_path: Path, knocker: Knocker, server: Keyring, friend: Keyring
) -> None:
    """The bus refuses what does not speak CURVE with its own key."""
    got: queue.Queue[object] = queue.Queue()
    senders: list[Any] = []

    def on_message(args: object) -> None:
        got.put(args)

    def init_function(to_send: object) -> None:
        senders.append(to_send)

    module = module_of(
        connection_models={
            "in": {
                "subscriber": {
                    "connection_type": "subscriber",
                    "required_creation_arguments": {"on_new_message": on_message},
                    "optional_creation_arguments": {"is_x_sub": True},
                    **X,
                }
            },
            "out": {
                "publisher": {
                    "connection_type": "publisher",
                    "optional_creation_arguments": {"is_x_pub": True},
                    **X,
                }
            },
        },
        init_function=init_function,
    )
    given = {
        "connections": {
            "in": {"subscriber": {"subscriber": f"ipc://{tmp_path}/xpub"}},
            "out": {"publisher": {"publisher": f"ipc://{tmp_path}/xsub"}},
        }
    }
    with (
        closing(Bus(server, tmp_path, knocker)) as bus,
        running(module, keys=friend.folder, addresses=given),
    ):
        bus.pass_on_subscription()
        # the subscription travels to the publisher: publish until it is there
        for _ in range(PATIENCE_MS // 50):
            senders[0]("connection", "publisher", {"x": 1})
            if bus.sends_within_ms(50):
                break
        bus.pass_on()
        assert got.get(timeout=WAIT_S) == {"x": 1}


@pytest.mark.slow
def test_a_server_with_another_key_than_expected_gets_no_request(
    server: Keyring, friend: Keyring, stranger: Keyring, tmp_path: Path
) -> None:
    """A requester tells nothing to who took the place of its server."""
    got: queue.Queue[object] = queue.Queue()
    stranger.authorize(friend)

    def on_request(args: object) -> None:
        got.put(args)

    there = module_of(
        connection_models={"in": {"replyer": server_module().connection_models["in"]["replyer"]}}
    )
    there.connection_models["in"]["replyer"]["required_creation_arguments"] = {
        "on_new_request": on_request
    }
    requester = {
        "connection_type": "requester",
        "optional_creation_arguments": {"timeout_s": 0.2},
        "required_return_arguments": {"x": int},
        **X,
    }
    errors: queue.Queue[BaseException] = queue.Queue()

    def init_function(to_send: Any) -> None:
        try:
            to_send("connection", "replyer", {"x": 1})
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            errors.put(error)

    here = module_of(connection_models={"out": {"replyer": requester}}, init_function=init_function)
    address = f"ipc://{tmp_path}/replyer"
    with (
        running(
            there,
            keys=stranger.folder,
            addresses={"connections": {"in": {"replyer": {"replyer": address}}}},
        ),
        running(
            here,
            keys=friend.folder,
            addresses={"connections": {"out": {"replyer": {"requester": address}}}},
        ),
    ):
        assert type(errors.get(timeout=WAIT_S)).__name__ == "RequestTimeout"
    assert got.empty()


@pytest.mark.slow
def test_a_models_own_server_key_comes_before_the_default(
    server: Keyring, friend: Keyring, stranger: Keyring, tmp_path: Path
) -> None:
    friend.trust(stranger)
    friend.trust(server, "replyer")
    replies: queue.Queue[object] = queue.Queue()
    model = {
        "connection_type": "requester",
        "required_return_arguments": {"x": int},
        **X,
    }
    here = module_of(
        connection_models={"out": {"replyer": model}},
        init_function=lambda to_send: replies.put(to_send("connection", "replyer", {"x": 1})),
    )
    path = f"ipc://{tmp_path}/replyer"
    given = {"connections": {"out": {"replyer": {"requester": path}}}}
    with (
        running(server_module(), keys=server.folder, addresses=addresses_in(tmp_path)),
        running(here, keys=friend.folder, addresses=given),
    ):
        assert replies.get(timeout=WAIT_S) == {"x": 1}
