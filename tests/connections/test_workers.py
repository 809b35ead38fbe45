"""Workers: handlers of one model that run at once, beside all other user code."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

import pytest
import zmq

from sf_actors import Refused, RemoteError, ServiceFailed
from sf_actors.testing import running
from tests.support.actor_faults import Slow, asking, kill, serving
from tests.support.bare_sockets import ask, bare, packed, unpacked
from tests.support.models import (
    ANY_PORT,
    address_of,
    at,
    counters,
    endpoint_of,
    replyer,
    requester,
    service,
)
from tests.support.pipelined import answer, dealer, send
from tests.support.waiting import PATIENCE_S, until

N = {"n": int}
KEYED = {"key": str, "n": int}
COLOUR: ContextVar[str] = ContextVar("colour", default="none")


def test_as_many_handlers_run_at_once_as_there_are_workers_and_no_more() -> None:
    slow = Slow()
    with serving(slow, N, workers=3) as served, dealer(served) as asked:
        for n in range(5):
            send(asked, n=n)
        first = [slow.wait_for_call()["n"] for _ in range(3)]
        until(lambda: counters(served, "it")["received"] == 5, "all requests")
        assert slow.entered.empty()
        assert (counters(served, "it")["in_flight"], counters(served, "it")["queued"]) == (5, 5)
        slow.release(1)
        fourth = slow.wait_for_call()["n"]
        slow.release(4)
        for _ in range(5):
            assert answer(asked)["return_args"] == {}
        assert (sorted(first), fourth) == ([0, 1, 2], 3)
        until(lambda: counters(served, "it")["sent"] == 5, "the counts")
        numbers = counters(served, "it")
        assert (numbers["in_flight"], numbers["queued"], numbers["handled"]) == (0, 0, 5)
        assert served.stats()["router"]["handled"] == 0


def test_workers_run_beside_the_handlers_that_take_turns() -> None:
    slow = Slow()
    models = {"slow": replyer(slow, N), "it": replyer(lambda args: {}, N, workers=1)}
    addresses = at({"slow": ANY_PORT, "it": ANY_PORT})
    with (
        running(service("two", models), addresses=addresses) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "slow")) as held,
        asking(served) as req,
    ):
        held.send(packed({"args": {"n": 0}}))
        slow.wait_for_call()
        assert ask(req, {"args": {"n": 1}})["return_args"] == {}
        slow.release(1)
        held.recv()


def test_workers_have_threads_with_the_names_of_service_and_model_which_end_with_it() -> None:
    before = set(threading.enumerate())
    with serving(lambda args: {}, workers=2):
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert names == {
            "served/connections/in/it",
            "served/connections/in/it/1",
            "served/connections/in/it/2",
            "sf_actors/reserve",
        }, "no router: nothing takes turns"
    assert set(threading.enumerate()) == before


def test_what_comes_of_many_calls_at_once_is_counted_exactly() -> None:
    def handler(args: dict[str, Any]) -> dict[str, Any]:
        if args["n"] % 4 == 1:
            raise Refused("no")
        if args["n"] % 4 == 2:
            raise LookupError
        return {"n": "no number"} if args["n"] % 4 == 3 else {"n": args["n"]}

    with serving(handler, N, N, workers=8) as served, dealer(served) as asked:
        for n in range(400):
            send(asked, n=n)
        answers = [answer(asked) for _ in range(400)]
        assert sum("error" in one for one in answers) == 300
        until(lambda: counters(served, "it")["sent"] == 400, "the counts")
        numbers = counters(served, "it")
        assert (numbers["handled"], numbers["refused"], numbers["failed"]) == (100, 100, 200)
        assert (numbers["in_flight"], numbers["queued"]) == (0, 0)
        assert numbers["handler_s"]["count"] == 400


def test_a_request_that_expires_before_a_worker_takes_it_is_dropped() -> None:
    slow = Slow()
    with serving(slow, N, workers=1) as served, asking(served) as busy, asking(served) as late:
        busy.send(packed({"args": {"n": 0}}))
        slow.wait_for_call()
        late.send(packed({"args": {"n": 1}, "expires_in_s": 0.05}))
        assert not late.poll(200)
        slow.release(1)
        busy.recv()
        until(lambda: counters(served, "it")["dropped"] == {"expired": 1}, "the drop")
        until(lambda: counters(served, "it")["in_flight"] == 0, "the count")
        assert slow.entered.empty()


def test_a_repetition_of_a_request_under_way_gets_its_reply_and_no_other_worker() -> None:
    slow = Slow()
    request = packed({"args": {"n": 1}, "request_id": "a"})
    with (
        serving(slow, N, workers=2, deduplicate=True) as served,
        asking(served) as first,
        asking(served) as again,
    ):
        first.send(request)
        slow.wait_for_call()
        again.send(request)
        until(lambda: counters(served, "it")["deduplicated"] == 1, "the repetition")
        slow.release(1)
        assert "return_args" in unpacked(first.recv())
        assert "return_args" in unpacked(again.recv())
        assert slow.entered.empty()


def test_as_many_coroutines_run_at_once_as_there_are_workers() -> None:
    meeting = 0
    everybody = threading.Event()

    async def handler(args: dict[str, Any]) -> dict[str, Any]:
        nonlocal meeting
        meeting += 1
        if meeting == 20:
            everybody.set()
        while not everybody.is_set():
            await asyncio.sleep(0.001)
        return args

    with serving(handler, N, N, workers=20) as served, dealer(served) as asked:
        for n in range(20):
            send(asked, n=n)
        assert sorted(answer(asked)["return_args"]["n"] for _ in range(20)) == list(range(20))


def test_what_a_call_binds_is_gone_with_it_and_what_init_has_bound_is_there() -> None:
    def handler() -> dict[str, Any]:
        colour = COLOUR.get()
        COLOUR.set("of a call")
        return {"colour": colour}

    models = {"it": replyer(handler, None, {"colour": str}, workers=1)}
    module = service("served", models, init_function=lambda to_send: COLOUR.set("red"))
    with running(module, addresses=at({"it": ANY_PORT})) as served, asking(served) as req:
        for _ in range(3):
            assert ask(req, {"args": {}})["return_args"] == {"colour": "red"}


def test_a_handler_asks_its_own_service_and_passes_its_workflow_id_on() -> None:
    def handler(args: dict[str, Any], to_send: Any) -> dict[str, Any]:
        return args if args["n"] == 0 else to_send("self", {"n": args["n"] - 1})

    with ExitStack() as opened:
        address = f"inproc://{id(opened)}"
        module = service(
            "own", {"it": replyer(handler, N, N, workers=3)}, {"self": requester(N, N)}
        )
        addresses = at({"it": "127.0.0.1:0", "other": address}, {"self": "127.0.0.1:1"})
        served = opened.enter_context(running(module, addresses=addresses))
        served.connect("connections", "out", "self", address_of(served, "it"))
        req = opened.enter_context(asking(served))
        reply = ask(req, {"args": {"n": 2}, "workflow_id": "of the first"})
        assert reply == {"return_args": {"n": 0}, "workflow_id": "of the first"}
        assert counters(served, "it")["handled"] == 3


def test_a_worker_that_all_others_wait_with_gets_a_timeout_that_says_so() -> None:
    def handler(args: dict[str, Any], to_send: Any) -> Any:
        return to_send("self", args)

    models = {"it": replyer(handler, N, N, workers=2)}
    outbound = {"self": requester(N, N, timeout_s=0.3), "outer": requester(N, N)}
    own = "inproc://own"
    addresses = at({"it": own}, {"self": own, "outer": own})
    with (
        running(service("own", models, outbound), addresses=addresses) as served,
        pytest.raises(RemoteError, match="the call came from within own: connection_models"),
    ):
        served.to_send("outer", {"n": 1})


@pytest.mark.slow
def test_each_call_sees_its_states_pinned_and_its_own_out_states_live() -> None:
    began, may_go = threading.Event(), threading.Event()

    def handler(args: dict[str, Any], to_send: Any, states: Any) -> dict[str, Any]:
        if args["n"] == 0:
            began.set()
            assert may_go.wait(PATIENCE_S)
            return {"n": states["followed"]["n"]}
        to_send("state", "own", args)
        return {"n": states["own"]["n"]}

    def state(type_: str) -> dict[str, Any]:
        return {"state_type": type_, "required_arguments": N}

    source = service("source", state_models={"out": {"followed": state("full_update_out")}})
    module = service(
        "served",
        {"it": replyer(handler, N, N, workers=2)},
        state_models={
            "in": {"followed": state("full_update_in")},
            "out": {"own": state("full_update_out")},
        },
    )
    with ExitStack() as opened:
        told = opened.enter_context(
            running(source, addresses={"states": {"out": {"followed": ANY_PORT}}})
        )
        told.to_send("state", "followed", {"n": 1})
        followed = told.addresses["states"]["out"]["followed"]
        states = {"in": {"followed": followed}, "out": {"own": ANY_PORT}}
        addresses = {**at({"it": ANY_PORT}), "states": states}
        served = opened.enter_context(running(module, addresses=addresses))
        assert served.states.wait("followed", timeout_s=PATIENCE_S)
        pinned, live = (opened.enter_context(asking(served)) for _ in range(2))
        pinned.send(packed({"args": {"n": 0}}))
        assert began.wait(PATIENCE_S)
        assert ask(live, {"args": {"n": 7}})["return_args"] == {"n": 7}
        told.to_send("state", "followed", {"n": 2})
        until(lambda: served.states["followed"]["n"] == 2, "the update")
        may_go.set()
        assert unpacked(pinned.recv())["return_args"] == {"n": 1}


def test_no_more_is_read_than_runs_and_the_high_water_mark_lets_wait() -> None:
    slow = Slow()
    with ExitStack() as opened:
        served = opened.enter_context(serving(slow, N, workers=3, high_water_mark=4))
        sockets = [opened.enter_context(dealer(served)) for _ in range(5)]
        for socket in sockets:
            send(socket, n=0)
            send(socket, n=1)
        until(lambda: counters(served, "it")["received"] == 7, "a full queue")
        assert not threading.Event().wait(0.1)
        assert counters(served, "it")["received"] == 7
        slow.release(10)
        for socket in sockets:
            assert [answer(socket)["return_args"] for _ in range(2)] == [{}, {}]


def test_large_messages_keep_no_worker_idle() -> None:
    slow = Slow()
    with serving(slow, {"it": bytes}, workers=4) as served, dealer(served) as asked:
        for _ in range(6):
            send(asked, it=bytes(300_000))
        for _ in range(4):
            slow.wait_for_call()
        slow.release(6)
        for _ in range(6):
            answer(asked)


def test_workers_outlive_their_actor() -> None:
    with serving(lambda args: args, N, N, workers=2) as served:
        kill(served)
        until(lambda: counters(served, "it")["restarts"] == 1, "the restart")
        with asking(served) as req:
            assert ask(req, {"args": {"n": 1}})["return_args"] == {"n": 1}


def test_a_handler_that_exits_makes_the_service_fail_and_is_answered() -> None:
    def handler(args: dict[str, Any]) -> None:
        raise SystemExit(3)

    with ExitStack() as opened:
        served = opened.enter_context(serving(handler, workers=2))
        req = opened.enter_context(asking(served))
        assert ask(req, {"args": {}})["error"]["type"] == "SystemExit"
        assert served.wait(PATIENCE_S)
        assert isinstance(served.failure, ServiceFailed)
        assert "sys.exit(3)" in str(served.failure)
