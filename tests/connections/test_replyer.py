"""The replyer: every request ends in one answer, whatever the handler does."""

from __future__ import annotations

import json
import queue
import threading
from contextlib import ExitStack
from typing import Any

import pytest
import zmq

from sf_actors import RemoteError
from sf_actors.testing import running
from tests.support.actor_faults import Slow, Stubborn, asking, serving, with_two_actors
from tests.support.bare_sockets import ask, bare, packed, unpacked
from tests.support.models import ANY_PORT, at, counters, endpoint_of, replyer, service
from tests.support.waiting import PATIENCE_S, until


def fail(args: dict[str, Any]) -> None:
    raise LookupError("nobody\nthere")


def test_a_handler_that_answers_none_answers_with_no_fields() -> None:
    with serving(lambda args: None) as served, asking(served) as req:
        assert ask(req, {"args": {}})["return_args"] == {}


def test_none_is_an_error_where_the_reply_has_required_fields() -> None:
    with serving(lambda args: None, None, {"n": int}) as served, asking(served) as req:
        error = ask(req, {"args": {}})["error"]

        assert error["type"] == "InvalidArguments"
        assert "'n'" in error["message"]


def test_a_handler_that_raises_is_answered_counted_and_logged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with serving(fail) as served, asking(served) as req:
        reply = ask(req, {"args": {}})

        assert reply["error"] == {"type": "LookupError", "message": "nobody\nthere"}
        numbers = counters(served, "it")
        assert (numbers["failed"], numbers["handled"]) == (1, 0)
        assert numbers["last_error"] == "LookupError: nobody\nthere"
        assert served.stats()["router"]["failed"] == 1
        assert ask(req, {"args": {}})["error"]["type"] == "LookupError"
    logged = capfd.readouterr().err
    assert "handler failed" in logged
    assert "in fail" in logged
    assert "user_code.py" not in logged, "the traceback is cut to the user's frames"


@pytest.mark.parametrize(
    "result", [{"n": "1"}, {}, {"n": 1, "m": 2}, [1], "text", 5, {"n": True}, {1: 2}]
)
def test_a_reply_that_fails_its_model_is_an_error_and_counted(result: Any) -> None:
    with serving(lambda args: result, None, {"n": int}) as served, asking(served) as req:
        error = ask(req, {"args": {}})["error"]

        assert error["type"] == "InvalidArguments"
        until(lambda: counters(served, "it")["sent"] == 1, "the count of the reply")
        numbers = counters(served, "it")
        assert (numbers["failed"], numbers["handled"]) == (1, 0)


def logged(capfd: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == event]


def test_replies_that_fail_their_model_are_logged_once_in_a_while_and_all_counted(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("sf_actors.connections.replyer.monotonic", lambda: now)
    with serving(lambda args: {"n": "1"}, None, {"n": int}) as served, asking(served) as req:
        for _ in range(20):
            assert ask(req, {"args": {}})["error"]["type"] == "InvalidArguments"
        now += 4.9
        ask(req, {"args": {}})
        now += 0.2
        ask(req, {"args": {}})
        assert counters(served, "it")["failed"] == 22
    lines = logged(capfd, "reply fails its model")
    assert [line["left_out"] for line in lines] == [0, 20]
    assert all("'n'" in line["error"] for line in lines)


def test_each_model_says_that_its_replies_fail(capfd: pytest.CaptureFixture[str]) -> None:
    models = {name: replyer(lambda args: None, {}, {"n": int}) for name in ("first", "second")}
    addresses = at({"first": ANY_PORT, "second": ANY_PORT})
    with running(service("two", models), addresses=addresses) as served:
        for name in ("first", "second", "first", "second"):
            with bare(zmq.REQ, connect=endpoint_of(served, name)) as req:
                ask(req, {"args": {}})
    lines = logged(capfd, "reply fails its model")
    assert [line["model"].rpartition("[")[2] for line in lines] == ["'first']", "'second']"]


def test_a_reply_that_is_too_large_is_an_error() -> None:
    with (
        serving(lambda args: {"s": "x" * 500}, None, {"s": str}, max_message_bytes=400) as served,
        asking(served) as req,
    ):
        assert "max_message_bytes" in ask(req, {"args": {}})["error"]["message"]


@pytest.mark.parametrize("raised", [RuntimeError, SystemExit, GeneratorExit])
def test_an_error_that_cannot_print_itself_is_answered(raised: type[BaseException]) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise raised

        __repr__ = __str__

    def handler(args: dict[str, Any]) -> None:
        raise Mute

    with serving(handler) as served, asking(served) as req:
        for _ in range(5):
            assert ask(req, {"args": {}})["error"]["type"] == "Mute"
        assert served.is_running


def test_counters_of_a_replyer_add_up() -> None:
    with serving(lambda args: {}, {"n": int}) as served, asking(served) as req:
        for n in range(5):
            ask(req, {"args": {"n": n}})
        ask(req, {"args": {}})
        until(lambda: counters(served, "it")["sent"] == 6, "the count of the last reply")
        numbers = counters(served, "it")

    assert numbers["received"] == numbers["sent"] == 6
    assert numbers["handled"] == numbers["handler_s"]["count"] == 5
    assert numbers["dropped"] == {"invalid": 1}
    assert (numbers["in_flight"], numbers["queued"], numbers["restarts"]) == (0, 0, 0)
    assert sum(count for _, count in numbers["handler_s"]["buckets"]) == 5
    assert 0 < numbers["handler_s"]["max"] <= numbers["handler_s"]["sum"]


def test_a_client_that_is_gone_costs_its_reply_alone_and_is_counted() -> None:
    slow = Slow()
    with serving(slow, {"n": int}) as served:

        def leave_before_the_reply() -> bool:
            with asking(served) as hasty:
                hasty.send(packed({"args": {"n": 1}}))
                slow.wait_for_call()
            threading.Event().wait(0.05)  # nobody tells when libzmq has seen that it is gone
            slow.release(1)
            return "peer_gone" in counters(served, "it")["dropped"]

        until(leave_before_the_reply, "a reply to nobody")
        slow.release(1)
        with asking(served) as patient:
            assert "return_args" in ask(patient, {"args": {"n": 2}})
        assert counters(served, "it")["in_flight"] == 0


def test_requests_that_queue_are_counted_answered_and_counted_off() -> None:
    slow = Slow()
    with (
        with_two_actors(slow) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "first")) as first,
        bare(zmq.DEALER, connect=endpoint_of(served, "second")) as second,
    ):
        first.send(packed({"args": {"n": 0}}))
        slow.wait_for_call()
        for n in range(50):
            second.send_multipart([b"", packed({"args": {"n": n}})])
        until(lambda: counters(served, "second")["queued"] == 50, "50 queued requests")
        assert counters(served, "second")["in_flight"] == 50
        assert served.stats()["router"]["queued"] == 50

        slow.release(1)

        assert "return_args" in unpacked(first.recv())
        answered = [unpacked(second.recv_multipart()[-1])["return_args"]["n"] for _ in range(50)]
        assert answered == list(range(50))
        numbers = counters(served, "second")
        assert (numbers["queued"], numbers["in_flight"], numbers["sent"]) == (0, 0, 50)
        assert served.stats()["router"]["queued"] == 0


def test_no_more_than_the_high_water_mark_is_read_while_handlers_are_busy() -> None:
    slow = Slow()
    with with_two_actors(slow, high_water_mark=10) as served, ExitStack() as opened:
        first = opened.enter_context(bare(zmq.REQ, connect=endpoint_of(served, "first")))
        second = endpoint_of(served, "second")
        dealers = [opened.enter_context(bare(zmq.DEALER, connect=second)) for _ in range(10)]
        first.send(packed({"args": {"n": 0}}))
        slow.wait_for_call()
        for dealer in dealers:
            for n in range(10):
                dealer.send_multipart([b"", packed({"args": {"n": n}})])
        until(lambda: counters(served, "second")["queued"] == 10, "a full queue")
        assert not threading.Event().wait(0.1)
        assert counters(served, "second")["received"] == 10, "the socket is left unread"

        slow.release(1)

        for dealer in dealers:
            answers = [unpacked(dealer.recv_multipart()[-1]) for _ in range(10)]
            assert [answer["return_args"]["n"] for answer in answers] == list(range(10))


def test_a_stop_answers_what_was_read_and_handled() -> None:
    slow = Slow()
    with with_two_actors(slow) as served:
        with (
            bare(zmq.REQ, connect=endpoint_of(served, "first")) as first,
            bare(zmq.DEALER, connect=endpoint_of(served, "second")) as second,
        ):
            first.send(packed({"args": {"n": 0}}))
            slow.wait_for_call()
            second.send_multipart([b"", packed({"args": {"n": 7}})])
            until(lambda: counters(served, "second")["queued"] == 1, "a queued request")
            stop = threading.Thread(target=served.stop_service)
            stop.start()
            until(lambda: served.stats()["phase"] == "STOPPING", "the stop")
            slow.release(1)

            assert unpacked(first.recv())["return_args"] == {}
            assert unpacked(second.recv_multipart()[-1])["return_args"] == {"n": 7}
            stop.join(PATIENCE_S)
        assert served.failure is None


def test_what_the_stop_leaves_unhandled_is_answered_with_an_error() -> None:
    stubborn = Stubborn()
    models = {
        "first": replyer(stubborn),
        "second": replyer(lambda args: {}),
    }
    addresses = at({"first": ANY_PORT, "second": ANY_PORT})
    with running(service("two", models), addresses=addresses, stop_timeout_s=0.5) as served:
        with (
            bare(zmq.REQ, connect=endpoint_of(served, "first")) as first,
            bare(zmq.REQ, connect=endpoint_of(served, "second")) as second,
        ):
            first.send(packed({"args": {}}))
            assert stubborn.entered.wait(PATIENCE_S)
            second.send(packed({"args": {}, "workflow_id": "w"}))
            until(lambda: counters(served, "second")["queued"] == 1, "a queued request")
            stop = threading.Thread(target=served.stop_service)
            stop.start()

            reply = unpacked(second.recv())

            assert reply["error"]["type"] == "ServiceStopped"
            assert reply["workflow_id"] == "w"
            stubborn.release.set()
            stop.join(PATIENCE_S)
        numbers = counters(served, "second")
        assert (numbers["queued"], numbers["in_flight"]) == (0, 0)
        assert numbers["dropped"] == {"stopped": 1}


# the same request again


def test_a_repeated_request_id_is_answered_without_the_handler() -> None:
    calls: list[int] = []

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        calls.append(args["n"])
        return {"n": len(calls)}

    with serving(handler, {"n": int}, {"n": int}, deduplicate=True) as served, asking(served) as r:
        request = {"args": {"n": 5}, "workflow_id": "w", "request_id": "same"}
        first = ask(r, request)
        second = ask(r, request)
        other = ask(r, {**request, "request_id": "other"})

        assert first == second
        assert other["return_args"] == {"n": 2}
        assert calls == [5, 5]
        until(lambda: counters(served, "it")["sent"] == 3, "the count of the last reply")
        numbers = counters(served, "it")
        assert (numbers["deduplicated"], numbers["handled"]) == (1, 2)


def test_an_id_that_another_client_uses_as_well_brings_nobody_a_strangers_reply() -> None:
    def handler(args: dict[str, Any]) -> dict[str, Any]:
        return {"n": args["n"] * 2}

    with serving(handler, {"n": int}, {"n": int}, deduplicate=True) as served, asking(served) as r:
        request = {"args": {"n": 5}, "workflow_id": "w", "request_id": 1}
        assert ask(r, request)["return_args"] == {"n": 10}
        assert ask(r, {**request, "args": {"n": 6}})["return_args"] == {"n": 12}
        repeated = ask(r, {**request, "workflow_id": ["another"]})

        assert repeated == {"return_args": {"n": 10}, "workflow_id": ["another"]}


def test_a_request_that_is_repeated_while_it_is_handled_is_answered_once_it_is_done() -> None:
    slow = Slow()
    models = {
        "first": replyer(slow, {"n": int}),
        "second": replyer(slow, {"n": int}, deduplicate=True),
    }
    addresses = at({"first": ANY_PORT, "second": ANY_PORT})
    with running(service("two", models), addresses=addresses) as served:
        second = endpoint_of(served, "second")
        with (
            bare(zmq.REQ, connect=endpoint_of(served, "first")) as first,
            bare(zmq.REQ, connect=second) as original,
            bare(zmq.REQ, connect=second) as repeated,
        ):
            first.send(packed({"args": {"n": 0}}))
            assert slow.wait_for_call() == {"n": 0}
            for socket in (original, repeated):
                socket.send(packed({"args": {"n": 1}, "request_id": "same"}))
            until(lambda: counters(served, "second")["deduplicated"] == 1, "the repetition")
            slow.release(2)

            assert unpacked(original.recv()) == unpacked(repeated.recv())
            assert slow.wait_for_call() == {"n": 1}
            assert slow.entered.empty(), "the handler was called once"


def test_however_many_clients_repeat_one_request_each_is_answered() -> None:
    slow = Slow()
    with serving(slow, {}, {}, deduplicate=True) as served, ExitStack() as stack:
        endpoint = endpoint_of(served, "it")
        clients = [stack.enter_context(bare(zmq.REQ, connect=endpoint)) for _ in range(40)]
        for client in clients:
            client.send(packed({"args": {}, "request_id": 1}))
        until(lambda: counters(served, "it")["deduplicated"] == 39, "the repetitions")
        slow.release(1)
        assert all("return_args" in unpacked(client.recv()) for client in clients)


def test_without_deduplicate_a_repeated_request_is_handled_again() -> None:
    calls: list[int] = []
    with serving(lambda args: calls.append(1)) as served, asking(served) as req:
        for _ in range(2):
            ask(req, {"args": {}, "request_id": "same"})

    assert calls == [1, 1]


def test_a_handler_that_asks_its_own_service_gets_a_timeout_that_says_so(tmp_path: Any) -> None:
    from sf_actors import RequestTimeout
    from tests.support.models import requester

    errors: queue.Queue[Any] = queue.Queue()

    def handler(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
        if args["n"]:
            try:
                to_send("connection", "self", {"n": args["n"] - 1})
            except RequestTimeout as error:
                errors.put(str(error))
        return {}

    address = f"ipc://{tmp_path}/self"
    models = {"it": replyer(handler, {"n": int})}
    outbound = {"self": requester({"n": int}, timeout_s=0.2)}
    with (
        running(service("own", models, outbound), addresses=at({"it": address}, {"self": address})),
        bare(zmq.REQ, connect=address) as req,
    ):
        assert ask(req, {"args": {"n": 1}})["return_args"] == {}
        assert "neither can answer" in errors.get(timeout=PATIENCE_S)
        assert ask(req, {"args": {"n": 0}})["return_args"] == {}


def test_the_error_of_a_remote_handler_has_its_type_and_message_but_no_traceback() -> None:
    error = RemoteError("LookupError", "nobody", connection="c")

    assert (error.type, error.message) == ("LookupError", "nobody")
    assert str(error) == "c: the other side answered LookupError: nobody"


@pytest.mark.parametrize("wait_s", [-1.0, 10.0])
def test_requests_behind_a_request_are_answered_whether_or_not_they_were_expected(
    wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox takes every request for a lonely one, or none."""
    monkeypatch.setattr("sf_actors.actors.inbox._LEAST_WAIT_S", wait_s)
    with (
        serving(lambda args: args, {"n": int}, {"n": int}) as served,
        bare(zmq.DEALER, connect=endpoint_of(served, "it")) as dealer,
    ):
        for n in range(300):
            dealer.send_multipart([b"", packed({"args": {"n": n}})])
        replies = [unpacked(dealer.recv_multipart()[-1]) for _ in range(300)]
        assert [reply["return_args"]["n"] for reply in replies] == list(range(300))
