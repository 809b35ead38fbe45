"""Requests that wait for states: how long, beside which others, and what ends it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors.testing import module_of, running
from tests.support.actor_faults import serving
from tests.support.bare_sockets import bare
from tests.support.models import ANY_PORT, at, counters, requester, service
from tests.support.ports import held_port
from tests.support.state_pair import kill, model, towards
from tests.support.telling import Knower, N, Teller, knowing, n_of, telling
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A wait that a test does not sit out: what ends before has another reason.
LONG_S = 60.0

#: An update that there never will be.
NEVER = 2**60


@pytest.fixture
def teller() -> Iterator[Teller]:
    with telling() as teller:
        teller.tell(0)
        yield teller


def synced(teller: Teller, knower: Knower, number: int = 0) -> Knower:
    assert knower.service.states.wait("book", number=number, timeout_s=PATIENCE_S)
    return knower


def request(seen: Any = None, **more: Any) -> bytes:
    message = {"args": {}, **({} if seen is None else {"seen": seen}), **more}
    return bytes(msgpack.packb(message))


def reply_to(socket: Any, message: bytes) -> Any:
    socket.send(message)
    return reply(socket)


def reply(socket: Any) -> Any:
    return msgpack.unpackb(socket.recv())


def is_waiting(knower: Knower, count: int = 1) -> Any:
    return until(lambda: knower.counters["queued"] == count, "a request that waits")


def has_read(knower: Knower, count: int) -> Any:
    return until(lambda: knower.counters["received"] == count, "the requests")


@pytest.mark.slow
def test_a_request_that_has_seen_what_there_never_was_goes_on_in_time(teller: Teller) -> None:
    with knowing(teller.bound, catch_up_s=0.2) as knower, knower.peer() as peer:
        synced(teller, knower)
        began = monotonic()
        assert reply_to(peer, request({teller.epoch: NEVER}))["return_args"] == {"n": 0}
        assert 0.2 <= monotonic() - began < 5.0
        assert knower.counters["behind"] == 1
        assert (knower.counters["queued"], knower.counters["in_flight"]) == (0, 0)


def test_it_goes_on_as_soon_as_the_update_is_there(teller: Teller) -> None:
    with knowing(teller.bound, catch_up_s=LONG_S) as knower, knower.peer() as peer:
        synced(teller, knower)
        peer.send(request({teller.epoch: 2}))
        is_waiting(knower)
        teller.tell(1)
        assert not peer.poll(50)
        teller.tell(2)
        assert reply(peer)["return_args"] == {"n": 2}
        assert knower.counters["behind"] == 0


@pytest.mark.parametrize(
    "seen",
    [5, "x", [1], {"a": 1}, {5: "x"}, {5: 1.5}, {5: -1}, {}, {7: NEVER}, b"x" * 10_000],
    ids=lambda seen: repr(seen)[:20],
)
def test_what_says_nothing_of_a_followed_run_does_not_wait(teller: Teller, seen: Any) -> None:
    with knowing(teller.bound, catch_up_s=LONG_S) as knower, knower.peer() as peer:
        synced(teller, knower)
        assert reply_to(peer, request(seen))["return_args"] == {"n": 0}
        assert knower.counters["behind"] == 0


def test_with_catch_up_s_0_nothing_waits(teller: Teller) -> None:
    with knowing(teller.bound, catch_up_s=0) as knower, knower.peer() as peer:
        synced(teller, knower)
        assert reply_to(peer, request({teller.epoch: NEVER}))["return_args"] == {"n": 0}
        assert knower.counters["behind"] == 0


def test_others_are_answered_while_one_waits_and_its_own_peers_calls_stay_in_order(
    teller: Teller,
) -> None:
    with ExitStack() as sockets:
        knower = sockets.enter_context(knowing(teller.bound, catch_up_s=LONG_S))
        synced(teller, knower)
        waiting = sockets.enter_context(knower.peer(zmq.DEALER))
        other = sockets.enter_context(knower.peer())
        for message in (request({teller.epoch: 1}, workflow_id=1), request(workflow_id=2)):
            waiting.send_multipart([b"", message])
        is_waiting(knower, 2)
        for seen in (None, {teller.epoch: 0}):
            assert reply_to(other, request(seen))["return_args"] == {"n": 0}
        assert not waiting.poll(50)
        teller.tell(1)
        answers = [msgpack.unpackb(waiting.recv_multipart()[-1]) for _ in "12"]
        assert [answer["workflow_id"] for answer in answers] == [1, 2]


def test_a_flood_of_false_claims_leaves_room_for_others(teller: Teller) -> None:
    """Two of eight may wait; the liar's own go on without, others are read and answered."""
    with ExitStack() as sockets:
        knower = sockets.enter_context(
            knowing(teller.bound, catch_up_s=LONG_S, high_water_mark=8),
        )
        synced(teller, knower)
        honest, other = (sockets.enter_context(knower.peer()) for _ in range(2))
        honest.send(request({teller.epoch: 1}))
        is_waiting(knower)
        liar = sockets.enter_context(knower.peer(zmq.DEALER))
        liar.linger = 0
        for number in range(100):
            liar.send_multipart([b"", request({teller.epoch: NEVER + number})])
        has_read(knower, 101)
        assert reply_to(other, request())["return_args"] == {"n": 0}
        assert knower.counters["queued"] <= 2
        teller.tell(1)
        assert reply(honest)["return_args"] == {"n": 1}
        assert knower.counters["behind"] >= 99 - 1


def test_a_request_that_expires_while_it_waits_is_dropped(teller: Teller) -> None:
    with knowing(teller.bound, catch_up_s=LONG_S) as knower, knower.peer() as peer:
        synced(teller, knower)
        peer.send(request({teller.epoch: NEVER}, expires_in_s=0.1))
        until(lambda: knower.counters["dropped"] == {"expired": 1}, "the drop")
        assert not peer.poll(20)
        numbers = knower.counters
        assert (numbers["behind"], numbers["handled"], numbers["queued"]) == (0, 0, 0)
        assert numbers["in_flight"] == 0


def test_the_stop_answers_those_that_wait_as_unhandled(teller: Teller) -> None:
    with ExitStack() as stack:
        knower = stack.enter_context(knowing(teller.bound, catch_up_s=LONG_S))
        synced(teller, knower)
        peer = stack.enter_context(knower.peer(zmq.DEALER))
        for _ in range(2):
            peer.send_multipart([b"", request({teller.epoch: NEVER})])
        is_waiting(knower, 2)
        began = monotonic()
        knower.service.stop_service()
        assert monotonic() - began < 5.0
        for _ in range(2):
            error = msgpack.unpackb(peer.recv_multipart()[-1])["error"]
            assert (error["type"], error["unhandled"]) == ("ServiceStopped", True)
        assert knower.counters["dropped"] == {"stopped": 2}
        assert (knower.counters["queued"], knower.counters["in_flight"]) == (0, 0)
        assert knower.service.failure is None


def test_a_repetition_of_one_that_waits_is_answered_with_it(teller: Teller) -> None:
    handled: list[Any] = []

    def handler(args: Any, states: Any) -> Any:
        handled.append(args)
        return n_of(args, states)

    with ExitStack() as stack:
        knower = stack.enter_context(
            knowing(teller.bound, handler=handler, catch_up_s=LONG_S, deduplicate=True)
        )
        synced(teller, knower)
        first, second = (stack.enter_context(knower.peer()) for _ in range(2))
        for socket in (first, second):
            socket.send(request({teller.epoch: 1}, request_id="r"))
        has_read(knower, 2)
        teller.tell(1)
        for socket in (first, second):
            assert reply(socket)["return_args"] == {"n": 1}
        assert len(handled) == 1


def test_the_successor_of_an_actor_that_died_with_those_that_waited_lets_others_wait(
    teller: Teller,
) -> None:
    """The caller of one that was lost hears nothing, as of all that such an actor had read."""
    with knowing(teller.bound, catch_up_s=LONG_S) as knower, ExitStack() as sockets:
        synced(teller, knower)
        lost = sockets.enter_context(knower.peer())
        lost.send(request({teller.epoch: 1}))
        is_waiting(knower)
        kill(knower.service._run.state.actors["connections/in/ask"])
        until(lambda: knower.counters["restarts"] == 1, "the restart")
        # by the successor, once it has opened
        until(lambda: knower.counters["queued"] == knower.counters["in_flight"] == 0, "a new start")
        assert not knower.service.states.changes._callbacks
        peer = sockets.enter_context(knower.peer())
        peer.send(request({teller.epoch: 1}))
        is_waiting(knower)
        teller.tell(1)
        assert reply(peer)["return_args"] == {"n": 1}


# replicas that do not follow


def test_a_replica_that_cannot_sync_costs_the_wait_and_is_counted(teller: Teller) -> None:
    """It hears the publisher, and nobody answers at its snapshot address."""
    with held_port() as nobody:
        bound = {**teller.bound, "replyer": f"127.0.0.1:{nobody}"}
        with knowing(bound, catch_up_s=0.3) as knower, knower.peer() as peer:
            until(lambda: knower.service.stats()["states"]["in"]["book"]["received"], "a heartbeat")
            began = monotonic()
            assert reply_to(peer, request({teller.epoch: 0}))["return_args"] == {"n": -1}
            assert 0.3 <= monotonic() - began < 5.0
            assert knower.counters["behind"] == 1


def test_a_publisher_that_is_gone_costs_the_wait_and_is_counted() -> None:
    with ExitStack() as stack:
        telling_now = telling()
        teller = telling_now.__enter__()
        try:
            teller.tell(0)
            knower = stack.enter_context(knowing(teller.bound, catch_up_s=0.2))
            synced(teller, knower)
            epoch = teller.epoch
        finally:
            telling_now.__exit__(None, None, None)
        peer = stack.enter_context(knower.peer())
        assert reply_to(peer, request({epoch: 0}))["return_args"] == {"n": 0}
        assert knower.counters["behind"] == 0
        assert reply_to(peer, request({epoch: 1}))["return_args"] == {"n": 0}
        assert knower.counters["behind"] == 1


def test_what_waits_for_a_run_that_has_ended_goes_on_when_the_next_one_is_followed() -> None:
    with held_port() as first, held_port() as second, ExitStack() as stack:
        addresses = {"publisher": f"127.0.0.1:{first}", "replyer": f"127.0.0.1:{second}"}
        with telling(addresses=addresses) as teller:
            teller.tell(0)
            knower = stack.enter_context(knowing(addresses, catch_up_s=LONG_S))
            synced(teller, knower)
            epoch = teller.epoch
            peer = stack.enter_context(knower.peer())
            peer.send(request({epoch: 1}))
            is_waiting(knower)
        with telling(addresses=addresses):
            assert "return_args" in reply(peer)
            assert knower.counters["behind"] == 1
            # and now at once
            assert "return_args" in reply_to(peer, request({epoch: 1}))
            assert knower.counters["behind"] == 2


@pytest.mark.slow
def test_a_state_that_has_heard_of_no_run_holds_up_callers_only_soon_after_the_start() -> None:
    """Nobody publishes where it looks: an unknown run might be that of its state, at first."""
    with held_port() as first, held_port() as second:
        nobody = {"publisher": f"127.0.0.1:{first}", "replyer": f"127.0.0.1:{second}"}
        with knowing(nobody, catch_up_s=0.3) as knower, knower.peer() as peer:
            for _ in range(2):
                assert reply_to(peer, request({7: 5}))["return_args"] == {"n": -1}
            assert knower.counters["behind"] == 1
            began = monotonic()
            for _ in range(10):
                reply_to(peer, request({7: 5}))
            assert monotonic() - began < 10 * 0.3
            assert knower.counters["behind"] == 1


def test_the_successor_of_a_replica_that_died_is_waited_for(teller: Teller) -> None:
    with knowing(teller.bound, catch_up_s=LONG_S) as knower, knower.peer() as peer:
        synced(teller, knower)
        kill(knower.service._run.state.actors["states/in/book"])
        teller.tell(1)
        assert reply_to(peer, request({teller.epoch: 1}))["return_args"] == {"n": 1}
        assert knower.counters["behind"] == 0


# what is on the wire


def fields_asked(model_: Any, models: Any = None, **places: Any) -> Any:
    """Return what a service with this requester sends, and answer it."""
    with bare(zmq.REP, bind="tcp://127.0.0.1:*") as rep:
        addresses = {"connections": {"out": {"ask": rep.last_endpoint.decode()}}, **places}
        module = module_of(
            "asking", connection_models={"out": {"ask": model_}}, state_models=models
        )
        got: list[Any] = []

        def answer() -> None:
            got.append(msgpack.unpackb(rep.recv()))
            rep.send(msgpack.packb({"return_args": {"n": 1}}))

        thread = threading.Thread(target=answer)
        thread.start()
        with running(module, addresses=addresses, console_loglevel=None) as asking:
            asking.to_send("connection", "ask", {})
        thread.join()
    return got[0]


def test_without_states_a_request_and_a_reply_carry_nothing_of_it() -> None:
    assert set(fields_asked(requester(None, N))) == {"args", "workflow_id", "expires_in_s"}
    with serving(lambda args: {}) as served, bare(zmq.REQ) as peer:
        peer.connect(f"tcp://{served.addresses['connections']['in']['it']}")
        assert set(reply_to(peer, request())) == {"return_args", "workflow_id"}


def test_with_states_that_have_no_update_yet_neither() -> None:
    models = {"out": {"book": model("full_update_out", N)}}
    places = {"out": {"book": ANY_PORT}}

    assert "seen" not in fields_asked(requester(None, N), models, states=places)


def test_a_reply_tells_what_its_service_has_when_the_handler_ends(teller: Teller) -> None:
    def fail(args: Any) -> None:
        raise LookupError

    for handler in (n_of, fail):
        with knowing(teller.bound, handler=handler) as knower, knower.peer() as peer:
            synced(teller, knower)
            assert reply_to(peer, request())["seen"] == {str(teller.epoch): 0}


def test_a_handler_of_a_state_asks_with_what_it_sees_and_others_with_what_is_there() -> None:
    """While the handler is at its first update, the replica is at the third."""
    asked: list[Any] = []
    entered, may_go = threading.Event(), threading.Event()

    def on_update(args: Any, to_send: Any, states: Any) -> None:
        if not entered.is_set():
            entered.set()
            may_go.wait(PATIENCE_S)
            to_send("connection", "ask", {})

    with telling() as teller, bare(zmq.REP, bind="tcp://127.0.0.1:*") as rep:
        in_model = model("delta_update_in", N, on_update=on_update)
        module = service("asking", outbound={"ask": requester(None, N)})
        module.state_models = {"in": {"book": in_model}}
        places = at(outbound={"ask": rep.last_endpoint.decode()})
        places["states"] = {"in": {"book": towards(teller.bound)}}

        def answer() -> None:
            for _ in range(2):
                asked.append(msgpack.unpackb(rep.recv())["seen"])
                rep.send(msgpack.packb({"return_args": {"n": 1}}))

        thread = threading.Thread(target=answer)
        thread.start()
        with running(module, addresses=places, console_loglevel=None) as following:
            assert following.states.wait("book", timeout_s=PATIENCE_S)
            for n in range(3):
                teller.tell(n)
            assert entered.wait(PATIENCE_S)
            assert following.states.wait("book", number=2, timeout_s=PATIENCE_S)
            following.to_send("connection", "ask", {})
            may_go.set()
            thread.join(PATIENCE_S)
            assert counters(following, "ask", "out")["behind"] == 0
        assert asked == [{str(teller.epoch): 2}, {str(teller.epoch): 0}]
