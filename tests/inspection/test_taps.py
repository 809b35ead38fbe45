"""Taps: what passes a model, for who watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors import Refused
from sf_actors.testing import module_of
from tests.inspection.asking import Asker, asker_of
from tests.inspection.publishing import PUBLISHER, following, parts, publishing
from tests.inspection.watching import watcher_of
from tests.support.services import (
    ECHO_ADDRESSES,
    ask,
    replying,
    requester,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def asker() -> Iterator[Asker]:
    """Give an asker at the inspector of this process."""
    inspection = sf_actors.inspect()
    with asker_of(inspection.address) as found:
        yield found
    inspection.close()


def test_a_request_is_a_record_with_its_reply_and_how_long_it_took(asker: Asker) -> None:
    def handle(args: dict[str, Any]) -> dict[str, Any]:
        if args["n"] < 0:
            raise Refused("negative")
        return {"n": args.pop("n") + 1}

    with service_of(replying(handle), addresses=ECHO_ADDRESSES, name="svc") as service:
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        ask(address, 0)
        with watcher_of(asker, "svc", "in/echo") as watcher:
            ask(address, 5)
            record = watcher.next()
            assert parts(record, "service", "model", "side", "kind") == (
                "svc",
                "echo",
                "in",
                "request",
            )
            assert parts(record, "args", "reply", "dropped") == ({"n": 5}, {"n": 6}, 0)
            assert 0 <= record["took_s"] < PATIENCE_S
            assert record["time"].endswith("Z")
            assert record["workflow_id"] is not None
            ask(address, -1)
            record = watcher.next()
            assert record["error"] == {"type": "Refused", "message": "negative"}


def test_what_is_asked_is_seen_on_the_side_of_the_requester_too(asker: Asker) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        models = {"out": {"echo": requester(timeout_s=1.0)}}
        addresses = {"connections": {"out": {"echo": {"requester": address}}}}
        caller = service_of(module_of(connection_models=models), addresses=addresses, name="ask")
        with caller, watcher_of(asker, "ask", "echo") as watcher:
            caller.to_send("echo", {"n": 1})
            assert parts(watcher.next(), "side", "args", "reply") == ("out", {"n": 1}, {"n": 1})
            service.stop_service()
            with pytest.raises(sf_actors.RequestTimeout):
                caller.to_send("echo", {"n": 2})
            record = watcher.next()
            assert record["error"]["type"] == "RequestTimeout"
            assert record["took_s"] >= 1.0


def test_messages_are_seen_on_both_sides(asker: Asker) -> None:
    with publishing() as leader, following(leader) as follower:
        until(lambda: follower.stats()["connections"]["in"]["news"]["peers"])
        with watcher_of(asker, "pub", "news") as out, watcher_of(asker, "sub", "news") as inside:
            number = 0
            while not inside.socket.poll(50):
                leader.to_send("news", {"n": 7})
                number += 1
            record = out.next()
            assert parts(record, "kind", "side", "args") == ("message", "out", {"n": 7})
            seen = inside.next()
            assert parts(seen, "kind", "side", "args") == ("message", "in", {"n": 7})
            assert seen["number"] in range(number)


def test_a_stream_ends_when_nobody_has_listened_for_a_while(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, folder: Any
) -> None:
    monkeypatch.setattr("sf_actors.inspection.streams.ALONE_S", 0.1)
    with publishing() as leader:
        with watcher_of(asker, "pub", "news"):
            assert len(list(folder.glob("*.tap"))) == 1
            leader.to_send("news", {"n": 1})
            assert leader._run.state.assembly.connections["news"].taps
        until(lambda: not list(folder.glob("*.tap")), "the end of the stream")
        assert leader._run.state.assembly.connections["news"].taps == ()
        asker.ask("tap", service="pub", model="news")
        until(lambda: not list(folder.glob("*.tap")), "the end of a stream of nobody")


def test_a_stream_ends_with_the_run_of_its_service(asker: Asker, folder: Any) -> None:
    service = service_of(replying(), addresses=ECHO_ADDRESSES, name="svc")
    with publishing(), service, watcher_of(asker, "svc", "echo"):
        service.stop_service()
        until(lambda: not list(folder.glob("*.tap")), "the end of the stream")


def test_a_flood_is_left_out_in_part_and_counted(asker: Asker) -> None:
    count = 20_000
    with publishing() as leader, watcher_of(asker, "pub", "news") as watcher:
        for number in range(count):
            leader.to_send("news", {"n": number})
        seen = dropped = 0
        last = -1
        while last < count:
            if not watcher.socket.poll(100):
                # so that there is a record that says what was left out at the end
                leader.to_send("news", {"n": count})
                count += 1
            record = watcher.next()
            seen += 1
            dropped += record["dropped"]
            last = record["args"]["n"]
            assert last == seen + dropped - 1
            if last == count - 1:
                break
        assert dropped


def test_a_watcher_that_is_stopped_holds_up_nobody(asker: Asker) -> None:
    count = 30_000
    with publishing() as leader, watcher_of(asker, "pub", "news") as watcher:
        for number in range(count):
            leader.to_send("news", {"n": number})
            if number % 10_000 == 0:
                assert asker.ask("ping")["services"] == ["pub"]
        # what waits for it is bounded
        numbers = [watcher.next()["number"] for _ in range(1_000)]
        assert numbers[0] == 0
        assert leader.stats()["connections"]["out"]["news"]["sent"] == count


def test_a_model_that_nothing_passes_is_refused(asker: Asker) -> None:
    with publishing():
        error = asker.error_of("tap", service="pub", model="out/nws")
        assert "did you mean 'out/news'" in error["message"]


def test_a_call_of_an_external_target_is_seen_with_what_came_of_it(asker: Asker) -> None:
    def target(n: int) -> dict[str, Any]:
        if n < 0:
            raise ValueError("negative")
        return {"n": n + 1}

    model = {
        "connection_type": "external_target",
        "required_creation_arguments": {"target": target},
        "required_arguments": {"n": int},
        "required_return_arguments": {"n": int},
    }
    caller = service_of(module_of(connection_models={"out": {"call": model}}), name="svc")
    with caller, watcher_of(asker, "svc", "call") as watcher:
        caller.to_send("call", {"n": 1})
        assert parts(watcher.next(), "args", "reply") == ({"n": 1}, {"n": 2})
        with pytest.raises(ValueError, match="negative"):
            caller.to_send("call", {"n": -1})
        assert watcher.next()["error"] == {"type": "ValueError", "message": "negative"}


def test_a_message_that_was_handed_in_from_inside_is_seen_too(asker: Asker) -> None:
    service = service_of(replying(), addresses=ECHO_ADDRESSES, name="svc")
    with service, watcher_of(asker, "svc", "echo") as watcher:
        asker.ask("ask", service="svc", model="echo", args={"n": 3})
        assert parts(watcher.next(), "args", "reply") == ({"n": 3}, {"n": 3})


def test_what_is_too_large_is_left_out_and_counted(asker: Asker) -> None:
    news = {**PUBLISHER, "required_arguments": {"text": str}}
    leader = service_of(
        module_of(connection_models={"out": {"news": news}}),
        addresses={"connections": {"out": {"news": {"publisher": "127.0.0.1:0"}}}},
        name="pub",
    )
    with leader, watcher_of(asker, "pub", "news") as watcher:
        leader.to_send("news", {"text": "x" * 5_000_000})
        leader.to_send("news", {"text": "small"})
        record = watcher.next()
        assert parts(record, "dropped", "args") == (1, {"text": "small"})
