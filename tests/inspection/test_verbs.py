"""What the inspector of a program answers to each verb."""

from __future__ import annotations

import threading
from queue import Queue
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq

import sf_actors
from sf_actors import Refused
from sf_actors.testing import module_of
from tests.inspection.asking import Asker, asker_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    Gate,
    client_of,
    echo_service,
    looping,
    replying,
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


def test_services_have_names_that_are_unique_in_order_of_start(asker: Asker) -> None:
    one, two, three = (
        service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") for _ in range(3)
    )
    with one, three:
        with two:
            assert asker.ask("ping")["services"] == ["svc", "svc#2", "svc#3"]
        assert asker.ask("stats", service="svc#2")["service"]["service"] == "svc#2"
        one.stop_service()
        with two:
            assert asker.ask("ping")["services"] == ["svc#2", "svc"]
    assert asker.ask("ping")["services"] == []


def test_numbers_of_all_services_come_at_once_with_those_of_the_process(asker: Asker) -> None:
    with echo_service() as one, echo_service():
        answer = asker.ask("stats")
        assert [found["running"] for found in answer["services"]] == [[], []]
        assert answer["services"][0]["service"].keys() == one.stats().keys()
        process = answer["process"]
        assert process["threads"] >= threading.active_count()
        assert process["rss_bytes"] > 1_000_000
        assert process["descriptors"] > 3
        assert process["cpu_s"] > 0


def test_a_request_is_answered_by_the_handler_whatever_the_address(asker: Asker) -> None:
    addresses = {"connections": {"in": {"echo": {"replyer": "inproc://nobody-knows"}}}}
    with service_of(replying(), addresses=addresses, name="svc") as service:
        assert asker.ask("ask", service="svc", model="echo", args={"n": 5}) == {"n": 5}
        numbers = service.stats()["connections"]["in"]["echo"]
    assert (numbers["received"], numbers["sent"], numbers["handled"]) == (1, 1, 1)


def test_the_workflow_id_of_a_question_is_that_of_the_request(asker: Asker) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc"):
        asker.send("ask", service="svc", model="echo", args={"n": 5})
        assert asker.receive()["workflow_id"] is not None


def test_an_error_of_the_handler_comes_as_it_is(asker: Asker) -> None:
    def refuse(args: dict[str, Any]) -> None:
        raise Refused(f"not {args['n']}")

    with service_of(replying(refuse), addresses=ECHO_ADDRESSES, name="svc"):
        error = asker.error_of("ask", service="svc", model="echo", args={"n": 5})
        assert error == {"type": "Refused", "message": "not 5"}
        error = asker.error_of("ask", service="svc", model="echo", args={"n": "five"})
        assert error["type"] == "InvalidMessage"


def test_a_request_that_is_not_answered_in_time_is_a_timeout(asker: Asker, gate: Gate) -> None:
    with service_of(replying(gate), addresses=ECHO_ADDRESSES, name="svc") as service:
        error = asker.error_of("ask", service="svc", model="echo", args={"n": 5}, timeout_s=0.5)
        assert error["type"] == "RequestTimeout"
        # its handler runs: who asks must not take it for one that never began
        assert "unhandled" not in error
        gate.may_end.set()
        assert asker.ask("ask", service="svc", model="echo", args={"n": 6}) == {"n": 6}
        assert service.stats()["connections"]["in"]["echo"]["handled"] == 2


def test_others_are_answered_while_an_asker_waits(asker: Asker, gate: Gate) -> None:
    with service_of(replying(gate), addresses=ECHO_ADDRESSES, name="svc"):
        asker.send("ask", service="svc", model="echo", args={"n": 5})
        assert gate.entered.get(timeout=PATIENCE_S) == 5
        with asker_of(sf_actors.inspect().address) as other:
            began = monotonic()
            assert other.ask("ping")["services"] == ["svc"]
            assert monotonic() - began < PATIENCE_S / 2
        gate.may_end.set()
        assert asker.receive()["return_args"] == {"n": 5}


def test_a_typo_gets_the_nearest(asker: Asker) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc"):
        assert "did you mean 'svc'" in asker.error_of("info", service="svd")["message"]
        assert (
            "did you mean 'echo'"
            in asker.error_of("ask", service="svc", model="ecko", args={})["message"]
        )
        error = asker.error_of("stast")
        assert error["type"] == "InvalidArguments"
        assert "did you mean 'stats'" in error["message"]
        assert sf_actors.version.VERSION in error["message"]


def subscribing(heard: Queue[Any]) -> Any:
    """Return a service with a subscriber."""

    def on_news(args: dict[str, Any]) -> None:
        heard.put(args)

    return module_of(
        connection_models={
            "in": {
                "news": {
                    "connection_type": "subscriber",
                    "required_creation_arguments": {"on_new_message": on_news},
                    "optional_creation_arguments": {"topic": "t"},
                    "required_arguments": {"n": int},
                }
            }
        }
    )


def test_a_message_is_handed_to_a_subscriber(asker: Asker) -> None:
    heard: Queue[Any] = Queue()
    addresses = {"connections": {"in": {"news": {"subscriber": "127.0.0.1:9"}}}}
    with service_of(subscribing(heard), addresses=addresses, name="svc"):
        assert asker.ask("publish", service="svc", model="news", args={"n": 7}) == {}
        assert heard.get(timeout=PATIENCE_S) == {"n": 7}
        error = asker.error_of("publish", service="svc", model="news", args={"n": "x"})
        assert error["type"] == "InvalidMessage"
        assert "n" in error["message"]


def test_the_error_of_a_message_has_the_workflow_id_of_the_question(asker: Asker) -> None:
    addresses = {"connections": {"in": {"news": {"subscriber": "127.0.0.1:9"}}}}
    with service_of(subscribing(Queue()), addresses=addresses, name="svc"):
        args = {"verb": "publish", "service": "svc", "model": "news", "args": {"n": "x"}}
        asker.socket.send(msgspec.msgpack.encode({"args": args, "workflow_id": "w"}))
        answer = asker.receive()
        assert answer["error"]["type"] == "InvalidMessage"
        assert answer["workflow_id"] == "w"


def test_a_message_that_was_not_taken_in_time_is_never_handled(asker: Asker) -> None:
    heard: Queue[Any] = Queue()
    may_end = threading.Event()

    def on_news(args: dict[str, Any]) -> None:
        heard.put(args["n"])
        assert may_end.wait(PATIENCE_S)

    service = subscribing(heard)
    model = service.connection_models["in"]["news"]
    model["required_creation_arguments"] = {"on_new_message": on_news}
    addresses = {"connections": {"in": {"news": {"subscriber": "127.0.0.1:9"}}}}
    with service_of(service, addresses=addresses, name="svc"):
        news = {"service": "svc", "model": "news"}
        assert asker.ask("publish", args={"n": 1}, **news) == {}
        assert heard.get(timeout=PATIENCE_S) == 1
        error = asker.error_of("publish", args={"n": 2}, timeout_s=0.05, **news)
        assert error["type"] == "RequestTimeout"
        may_end.set()
        assert asker.ask("publish", args={"n": 3}, **news) == {}
        assert heard.get(timeout=PATIENCE_S) == 3


def test_levels_are_set_and_those_before_are_answered(
    asker: Asker, capfd: pytest.CaptureFixture[str]
) -> None:
    def tell(args: dict[str, Any]) -> dict[str, Any]:
        log.debug("told", n=args["n"])
        return {"n": args["n"]}

    log = sf_actors.get_logger()
    with service_of(replying(tell), addresses=ECHO_ADDRESSES, name="svc"):
        asker.ask("ask", service="svc", model="echo", args={"n": 1})
        assert asker.ask("loglevel", service="svc") == {"console": None, "file": None}
        assert asker.ask("loglevel", service="svc", console="debug")["console"] is None
        assert asker.ask("loglevel", service="svc")["console"] == "DEBUG"
        asker.ask("ask", service="svc", model="echo", args={"n": 2})
        error = asker.error_of("loglevel", service="svc", console="LOUD")
        assert "expected DEBUG" in error["message"]
        assert "no log file" in asker.error_of("loglevel", service="svc", file="INFO")["message"]
        asker.ask("loglevel", service="svc", console=None)
    told = [line for line in capfd.readouterr().err.splitlines() if "told" in line]
    assert len(told) == 1
    assert '"n": 2' in told[0]


def test_a_service_is_stopped_at_once_and_gracefully(asker: Asker, gate: Gate) -> None:
    service = service_of(replying(gate), addresses=ECHO_ADDRESSES, name="svc")
    with service, client_of(service.addresses["connections"]["in"]["echo"]["replyer"]) as client:
        client.send(n=1)
        gate.entered.get(timeout=PATIENCE_S)
        assert asker.ask("stop", service="svc") == {"stopping": True}
        assert asker.ask("stop", service="svc") == {"stopping": True}
        until(lambda: asker.ask("stats", service="svc")["service"]["phase"] == "STOPPING")
        gate.may_end.set()
        assert client.receive()["return_args"] == {"n": 1}
        assert service.wait(PATIENCE_S)
        assert service.failure is None


def test_a_main_is_stopped(asker: Asker) -> None:
    service = service_of(looping(), name="svc")
    background = Background(service.run_service_as_main_blocking)
    until(lambda: service.was_ready)
    asker.ask("stop", service="svc")
    assert background.join() is None


def test_what_a_service_is_tells_its_models_and_keeps_the_values_of_its_config(
    asker: Asker,
) -> None:
    service = service_of(
        replying(), addresses=ECHO_ADDRESSES, name="svc", config={"token": "secret"}
    )
    with service:
        info = asker.ask("info", service="svc")
        port = service.addresses["connections"]["in"]["echo"]["replyer"]
    assert info["config"] == ["token"]
    assert "secret" not in str(info)
    assert info["addresses"]["connections"]["in"]["echo"] == {"replyer": port}
    echo = info["models"]["connections"]["in"]["echo"]
    assert (echo["type"], echo["topic"]) == ("replyer", None)
    assert echo["arguments"]["properties"]["n"]["x-sf-type"] == "int"
    assert echo["return_arguments"]["required"] == ["n"]
    assert info["log_file"] is None


def test_many_asks_of_one_asker_are_all_answered(asker: Asker) -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc"):
        assert sf_actors.inspect().address is not None
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.connect(sf_actors.inspect().address)
            for number in range(500):
                args = {"verb": "ask", "service": "svc", "model": "echo", "args": {"n": number}}
                packed = msgspec.msgpack.encode({"args": args, "workflow_id": number})
                dealer.send_multipart([b"", packed])
            answered = set()
            for _ in range(500):
                assert dealer.poll(int(PATIENCE_S * 1000))
                answer = msgspec.msgpack.decode(dealer.recv_multipart()[1])
                assert answer["return_args"] == {"n": answer["workflow_id"]}
                answered.add(answer["workflow_id"])
    assert len(answered) == 500
