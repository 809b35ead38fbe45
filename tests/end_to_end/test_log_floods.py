"""What peers can make a service write: little, however much and however often they send."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq

from sf_actors import get_logger
from sf_actors.log.throttle import WARNING_INTERVAL_S
from sf_actors.testing import running
from tests.log.lines import Terminal, read
from tests.support.bare_sockets import bare
from tests.support.models import at, counters, endpoint_of, replyer, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors import Service
    from tests.support.bare_sockets import Socket

#: Many more than are logged.
FLOOD = 300

LONG = "x" * 1_000_000
EVIL = "\x1b[2J\u202e\n2026-01-01T00:00:00Z [info     ] forged"


def request(args: dict[str, Any], workflow_id: object = "w") -> bytes:
    return msgspec.msgpack.encode({"args": args, "workflow_id": workflow_id})


def refuse(args: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(args["text"])


MODELS = {"it": replyer(refuse, {"text": str}, {"text": str})}


@contextmanager
def asked(models: dict[str, Any], **arguments: Any) -> Iterator[tuple[Service, Socket]]:
    """Run a service with replyers, and give it with a client of the one that is called `it`."""
    given = at(dict.fromkeys(models, "127.0.0.1:0"))
    with (
        running(service("s", models), addresses=given, **arguments) as served,
        bare(zmq.DEALER, connect=endpoint_of(served, "it")) as client,
    ):
        yield served, client


def ask(served: Service, client: Socket, *frames: bytes) -> None:
    """Send requests and wait until all of them are dealt with."""
    for frame in frames:
        client.send_multipart([b"", frame])
    for _ in frames:
        client.recv_multipart()
    until(lambda: not counters(served, "it")["in_flight"], "the counts")


def test_a_request_whose_error_is_long_writes_little(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with asked(MODELS, log_path=path) as (served, client):
        ask(served, client, request({"text": LONG}, workflow_id=["x" * 60_000]))

    (line,) = [line for line in read(path) if line["event"] == "handler failed"]
    assert line["error"].startswith("ValueError: xxx")
    assert "refuse" in line["exception"]
    assert path.stat().st_size < 20_000


@pytest.mark.slow
def test_messages_that_fail_the_model_are_logged_once_in_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("sf_actors.actors.socket_actor.monotonic", lambda: now)
    path = tmp_path / "log"
    with asked(MODELS, log_path=path) as (served, client):
        # no two errors are alike
        ask(served, client, *(request({f"key {number}": 1}) for number in range(FLOOD)))
        now += WARNING_INTERVAL_S
        ask(served, client, request({"another": 1}))

    dropped = [line for line in read(path) if line["event"] == "message dropped"]
    assert [line["left_out"] for line in dropped] == [0, FLOOD - 1]


def test_a_handler_that_fails_all_the_time_is_logged_a_few_times_in_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("sf_actors.lifecycle.run.monotonic", lambda: now)
    path = tmp_path / "log"
    with asked(MODELS, log_path=path) as (served, client):
        ask(served, client, *[request({"text": "bad"})] * FLOOD)
        now += 1.0
        ask(served, client, request({"text": "bad"}))
        numbers = counters(served, "it")

    failed = [line for line in read(path) if line["event"] == "handler failed"]
    assert [line["left_out"] for line in failed] == [0] * 10 + [FLOOD - 10]
    assert all("ValueError: bad" in line["exception"] for line in failed)
    assert (numbers["failed"], numbers["sent"]) == (FLOOD + 1, FLOOD + 1)


def test_each_handler_is_logged_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "log"
    models = {**MODELS, "other": replyer(refuse, {"text": str}, {"text": str})}
    with asked(models, log_path=path) as (served, client):
        ask(served, client, *[request({"text": "bad"})] * FLOOD)
        with bare(zmq.DEALER, connect=endpoint_of(served, "other")) as another:
            another.send_multipart([b"", request({"text": "bad"})])
            until(lambda: counters(served, "other")["failed"], "the other's failure")

    handlers = [line["handler"] for line in read(path) if line["event"] == "handler failed"]
    assert "s: connection_models['in']['other']" in handlers


@pytest.mark.slow
def test_what_a_request_holds_moves_no_cursor_and_forges_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, terminal, is_over = get_logger(), Terminal(), Event()

    def tell_and_fail(args: dict[str, Any]) -> dict[str, Any]:
        log.info(args["text"], text=args["text"])
        is_over.set()
        raise ValueError(args["text"])

    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    models = {"it": replyer(tell_and_fail, {"text": str}, {"text": str})}
    with asked(models) as (served, client):
        ask(served, client, request({"text": EVIL}, workflow_id=EVIL))
        ask(served, client, request({EVIL: EVIL}, workflow_id={EVIL: EVIL}))

    assert is_over.is_set()
    lines = terminal.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("2026-01-01T00:00:00Z") for line in lines) == 0
    assert "\\x1b[2J\\u202e" in terminal.getvalue()
