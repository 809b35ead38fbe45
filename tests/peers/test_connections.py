"""Requests and published messages between the original and us, both ways."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.testing import module_of, running
from tests.peers.original import keeping, original, repeat_until_line
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

ASKED = {"required_arguments": {"n": int}, "required_return_arguments": {"n": int}}


def test_its_requester_asks_our_replyer(tmp_path: Path) -> None:
    asked: queue.Queue[Any] = queue.Queue()

    def on_request(args: Any) -> dict[str, int]:
        asked.put(args)
        return {"n": args["n"] + 1}

    model = {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new_request": on_request},
        **ASKED,
    }
    service_file = """
        connection_models = {'out': {'ask': {
            'connection_type': 'requester',
            'required_arguments': {'n': int},
            'required_return_arguments': {'n': int},
        }}}

        def init_function(to_send, states, config):
            for n in range(3):
                print('answer', to_send('connection', 'ask', {'n': n}))
    """
    with running(
        module_of("ours", connection_models={"in": {"ask": model}}),
        addresses={"connections": {"in": {"ask": {"replyer": "127.0.0.1:0"}}}},
        console_loglevel=None,
    ) as ours:
        address = ours.addresses["connections"]["in"]["ask"]["replyer"]
        theirs = {"connections": {"out": {"ask": {"requester": address}}}}
        with original(tmp_path, service_file, theirs) as peer:
            for n in range(3):
                assert peer.wait_for_line("answer") == f"answer {{'n': {n + 1}}}"
    assert [asked.get_nowait() for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_our_requester_asks_its_replyer(tmp_path: Path, new_address: Callable[[], str]) -> None:
    senders: list[Callable[..., Any]] = []
    service_file = """
        def on_new_request(args, to_send, states, config):
            print('asked', args)
            return {'n': args['n'] + 1}

        connection_models = {'in': {'ask': {
            'connection_type': 'replyer',
            'required_creation_arguments': {'on_new_request': on_new_request},
            'required_arguments': {'n': int},
            'required_return_arguments': {'n': int},
        }}}
    """
    address = new_address()
    model = {
        "connection_type": "requester",
        # it may start after us
        "optional_creation_arguments": {"timeout_s": PATIENCE_S},
        **ASKED,
    }
    with (
        original(
            tmp_path, service_file, {"connections": {"in": {"ask": {"replyer": address}}}}
        ) as peer,
        running(
            module_of(
                "ours",
                connection_models={"out": {"ask": model}},
                init_function=keeping(senders),
            ),
            addresses={"connections": {"out": {"ask": {"requester": address}}}},
            console_loglevel=None,
        ),
    ):
        for n in range(3):
            assert senders[0]("connection", "ask", {"n": n}) == {"n": n + 1}
            assert peer.wait_for_line("asked") == f"asked {{'n': {n}}}"


@pytest.mark.parametrize("topic", [None, "news"])
def test_its_subscriber_hears_our_publisher(topic: str | None, tmp_path: Path) -> None:
    senders: list[Callable[..., Any]] = []
    theirs = {} if topic is None else {"topic": topic}
    service_file = f"""
        def on_new_message(args, to_send, states, config):
            print('heard', args)

        connection_models = {{'in': {{'news': {{
            'connection_type': 'subscriber',
            'required_creation_arguments': {{'on_new_message': on_new_message}},
            'optional_creation_arguments': {theirs!r},
            'required_arguments': {{'n': int}},
        }}}}}}
    """
    model = {
        "connection_type": "publisher",
        "optional_creation_arguments": {"topic": topic, "wait_after_creation_s": 0},
        "required_arguments": {"n": int},
    }
    with running(
        module_of(
            "ours",
            connection_models={"out": {"news": model}},
            init_function=keeping(senders),
        ),
        addresses={"connections": {"out": {"news": {"publisher": "127.0.0.1:0"}}}},
        console_loglevel=None,
    ) as ours:
        address = ours.addresses["connections"]["out"]["news"]["publisher"]
        with original(
            tmp_path,
            service_file,
            {"connections": {"in": {"news": {"subscriber": address}}}},
        ) as peer:
            line = repeat_until_line(
                peer, "heard", lambda: senders[0]("connection", "news", {"n": 7})
            )
            assert line == "heard {'n': 7}"


@pytest.mark.parametrize("topic", [None, "news"])
def test_our_subscriber_hears_its_publisher(
    topic: str | None, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    theirs = {} if topic is None else {"topic": topic}
    service_file = f"""
        import time

        connection_models = {{'out': {{'news': {{
            'connection_type': 'publisher',
            'optional_creation_arguments': {theirs!r},
            'required_arguments': {{'n': int}},
        }}}}}}

        def main(to_send, config):
            n = 0
            while True:
                to_send('connection', 'news', {{'n': n}})
                n += 1
                time.sleep(0.01)
    """
    address = new_address()

    def on_new_message(args: Any) -> None:
        heard.put(args)

    model = {
        "connection_type": "subscriber",
        "required_creation_arguments": {"on_new_message": on_new_message},
        "optional_creation_arguments": {"topic": topic},
        "required_arguments": {"n": int},
    }
    with (
        original(
            tmp_path,
            service_file,
            {"connections": {"out": {"news": {"publisher": address}}}},
            main_mode=True,
        ),
        running(
            module_of("ours", connection_models={"in": {"news": model}}),
            addresses={"connections": {"in": {"news": {"subscriber": address}}}},
            console_loglevel=None,
        ) as ours,
    ):
        first = heard.get(timeout=PATIENCE_S)["n"]
        following = [heard.get(timeout=PATIENCE_S)["n"] for _ in range(5)]
        assert following == list(range(first + 1, first + 6))
        assert ours.stats()["connections"]["in"]["news"]["dropped"] == {}
