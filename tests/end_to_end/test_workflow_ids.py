"""A workflow id on its way: through three services, as they log it, and unchanged."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq

from sf_actors import Refused, get_logger
from sf_actors.log import WORKFLOW_ID
from sf_actors.testing import module_of, running
from tests.log.lines import read
from tests.support.models import external, publisher, replyer, requester, service, subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_S = 20.0

LOG = get_logger()


class Chain:
    """Three services: a request to the first is published to the second, which asks the third."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ends: queue.Queue[int] = queue.Queue()

    def files(self) -> list[Path]:
        return [self._folder / f"{name}.log" for name in ("first", "second", "third")]

    @property
    def address(self) -> str:
        return f"ipc://{self._folder}/first"

    def run(self) -> Iterator[Chain]:
        number = {"n": int}

        def first(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
            LOG.info("FIRST", n=args["n"])
            to_send("connection", "news", args)
            return args

        def second(args: dict[str, Any], to_send: Any) -> None:
            LOG.info("SECOND", n=args["n"])
            to_send("connection", "third", args)
            self.ends.put(args["n"])

        def third(args: dict[str, Any]) -> dict[str, Any]:
            LOG.info("THIRD", n=args["n"])
            return args

        news, asked = f"ipc://{self._folder}/news", f"ipc://{self._folder}/third"
        modules = {
            "third": (
                {"in": {"third": replyer(third, number, number)}},
                {"in": {"third": {"replyer": asked}}},
            ),
            "first": (
                {
                    "in": {"first": replyer(first, number, number)},
                    "out": {"news": publisher(number)},
                },
                {
                    "in": {"first": {"replyer": self.address}},
                    "out": {"news": {"publisher": news}},
                },
            ),
            "second": (
                {
                    "in": {"news": subscriber(second, number)},
                    "out": {"third": requester(number, number)},
                },
                {
                    "in": {"news": {"subscriber": news}},
                    "out": {"third": {"requester": asked}},
                },
            ),
        }
        with ExitStack() as stack:
            for name, (models, addresses) in modules.items():
                module = module_of(name=name, connection_models=models)
                stack.enter_context(
                    running(
                        module,
                        addresses={"connections": addresses},
                        console_loglevel=None,
                        log_path=self._folder / f"{name}.log",
                    )
                )
            yield self


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    yield from Chain(tmp_path).run()


@pytest.fixture
def ask(chain: Chain) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Send a request as any other program would, and return the reply."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(chain.address)

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            socket.send(msgspec.msgpack.encode(request))
            assert socket.poll(WAIT_S * 1000)
            reply: dict[str, Any] = msgspec.msgpack.decode(socket.recv())
            return reply

        # until the second service has joined what the first publishes
        for _ in range(400):
            ask({"args": {"n": 0}, "workflow_id": "warm up"})
            try:
                chain.ends.get(timeout=0.05)
            except queue.Empty:
                continue
            break
        yield ask


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("w-1", "w-1"),
        ("größer", "größer"),
        (7, 7),
        (-1.5, -1.5),
        (True, True),
        ([1, "two"], [1, "two"]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (b"\xff\x00", "b'\\xff\\x00'"),
        ("", ""),
        (0, 0),
    ],
)
def test_a_workflow_id_travels_unchanged_through_three_services(
    chain: Chain, ask: Callable[[dict[str, Any]], dict[str, Any]], given: object, shown: object
) -> None:
    reply = ask({"args": {"n": 1}, "workflow_id": given})
    while chain.ends.get(timeout=WAIT_S) != 1:
        continue

    assert reply == {"return_args": {"n": 1}, "workflow_id": given}
    for path in chain.files():
        (line,) = [line for line in read(path) if line.get("n") == 1]
        assert line["workflow_id"] == shown


def test_what_comes_without_a_workflow_id_gets_one(
    chain: Chain, ask: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    ids = set()
    for number in (1, 2):
        reply = ask({"args": {"n": number}})
        while chain.ends.get(timeout=WAIT_S) != number:
            continue
        seen = [line for path in chain.files() for line in read(path) if line.get("n") == number]
        (workflow_id,) = {line["workflow_id"] for line in seen}
        assert reply["workflow_id"] == workflow_id
        assert len(seen) == 3
        ids.add(workflow_id)
    assert len(ids) == 2
    assert all(isinstance(workflow_id, str) for workflow_id in ids)


def test_a_main_that_fails_by_a_send_shows_its_workflow_id(tmp_path: Path) -> None:
    ids: queue.Queue[Any] = queue.Queue()

    def fail() -> None:
        ids.put(WORKFLOW_ID.get())
        raise Refused("no")

    def main(to_send: Any) -> None:
        to_send("target", {})

    log = tmp_path / "asking.log"
    asking = service("asking", None, {"target": external(fail)}, main=main)
    with running(asking, as_main=True, log_path=log, console_loglevel=None) as asked:
        assert asked.wait(WAIT_S)

    (line,) = [line for line in read(log) if line["event"] == "main failed"]
    assert line["workflow_id"] == ids.get(timeout=WAIT_S)
