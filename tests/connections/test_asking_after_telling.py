"""Who asks after telling gets an answer that knows."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare
from tests.support.models import ANY_PORT, address_of, replyer, requester
from tests.support.ports import held_port
from tests.support.state_pair import bus, model, towards
from tests.support.telling import N, Teller, knowing, n_of, telling, telling_and_knowing
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service

KINDS = ["delta_update", "full_update"]

#: Updates in a row, each with a call right behind it; without waiting some answers would be older.
ROUNDS = 300


def older(teller: Teller, rounds: int = ROUNDS, name: str = "ask") -> list[tuple[int, int]]:
    """Update and ask; return what was told and answered where the answer did not know."""
    answers = []
    for n in range(rounds):
        teller.tell(n)
        answers.append((n, teller.ask(name)))
    return [(n, answer) for n, answer in answers if answer < n]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_knows_of_the_update_before_it_from_the_first_on(kind: str) -> None:
    with held_port() as port, telling_and_knowing(port, kind=kind) as (teller, knower):
        assert not older(teller)
        assert (knower.counters["behind"], teller.behind) == (0, 0)


def test_an_answer_does_not_wait_for_it_where_catch_up_s_is_0() -> None:
    with held_port() as port, telling_and_knowing(port, catch_up_s=0) as (teller, knower):
        until(lambda: older(teller), "an answer that is older")
        assert knower.counters["behind"] == 0


def test_an_answer_knows_through_a_bus() -> None:
    with held_port() as port, held_port() as other, bus() as between:
        address = f"127.0.0.1:{port}"
        published = {"publisher": between.xsub, "replyer": f"127.0.0.1:{other}"}
        heard = {**published, "publisher": between.xpub}
        with (
            telling(address, out={"is_x_pub": True}, addresses=published) as teller,
            knowing(heard, address=address, follows={"is_x_sub": True}),
        ):
            assert not older(teller)


def test_many_instances_of_one_process_know_of_each_others_updates() -> None:
    """Three that tell at the same time, each asked about its state where all three are followed."""
    with ExitStack() as services:
        ports = [services.enter_context(held_port()) for _ in range(3)]
        addresses = [f"127.0.0.1:{port}" for port in ports]
        tellers = [services.enter_context(telling(address)) for address in addresses]
        for place, address in enumerate(addresses):
            # the first state that it follows is the one that it is asked about
            ordered = [*tellers[place:], *tellers[:place]]
            bound = [teller.bound for teller in ordered]
            services.enter_context(knowing(*bound, address=address))
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda teller=teller: found.append(older(teller, 100)))
            for teller in tellers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [[], [], []]


def test_a_state_of_many_publishers_knows_of_each_ones_updates() -> None:
    """What is waited for is the publisher's own update, whoever's value came last."""
    with ExitStack() as services:
        port, bound = (services.enter_context(held_port()) for _ in range(2))
        address, binder = f"127.0.0.1:{port}", {"publisher": f"127.0.0.1:{bound}"}
        services.enter_context(
            knowing(binder, address=address, kind="full_update", follows={"is_binder": True})
        )
        out: Any = {"kind": "full_update", "out": {"is_x_pub": True}, "addresses": binder}
        tellers = [services.enter_context(telling(address, **out)) for _ in range(2)]
        for place, teller in enumerate(tellers):
            # none of its updates is waited for before one was heard
            until(lambda: teller.tell(-place) is not None and teller.ask() == -place)  # noqa: B023
        for n in range(ROUNDS):
            for teller in tellers:
                teller.tell(n)
                assert teller.ask() == n


def test_each_thread_of_a_service_that_tells_gets_answers_that_know() -> None:
    with held_port() as port, telling_and_knowing(port) as (teller, _):
        lock, found = threading.Lock(), []
        last = -1

        def go() -> None:
            nonlocal last
            for _ in range(50):
                with lock:
                    last = mine = last + 1
                    teller.tell(mine)
                found.append((mine, teller.ask()))

        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 200
        assert [(n, answer) for n, answer in found if answer < n] == []


@pytest.mark.parametrize("has_handler", [False, True])
def test_updates_that_callers_number_count_like_others_skipped_ones_too(has_handler: bool) -> None:
    """A delta that is left out for its number is told as well: no answer waits for it."""
    got: list[Any] = []

    def keep(to_send: Any) -> None:
        got.append(to_send)

    handler = {"on_update": lambda args: None} if has_handler else {}
    with held_port() as port, ExitStack() as services:
        address = f"127.0.0.1:{port}"
        out = module_of(
            "teller",
            init_function=keep,
            state_models={"out": {"book": model("delta_update_out", N, numbered=True)}},
            connection_models={"out": {"ask": requester(None, N, timeout_s=PATIENCE_S)}},
        )
        places = {
            "states": {"out": {"book": dict.fromkeys(("publisher", "replyer"), ANY_PORT)}},
            "connections": {"out": {"ask": address}},
        }
        service = services.enter_context(
            running(out, addresses=places, console_loglevel=None),
        )
        inward = module_of(
            "knower",
            state_models={"in": {"book": model("delta_update_in", N, numbered=True, **handler)}},
            connection_models={"in": {"ask": replyer(n_of, None, N, catch_up_s=60.0)}},
        )
        bound = service.addresses["states"]["out"]["book"]
        places = {
            "states": {"in": {"book": towards(bound)}},
            "connections": {"in": {"ask": address}},
        }
        services.enter_context(running(inward, addresses=places, console_loglevel=None))
        (to_send,) = got
        for number, n, known in ((100, 1, 1), (101, 2, 2), (50, 3, 2), (102, 4, 4), (7, 5, 4)):
            update = {"current_num": number, "is_snapshot": number == 100, "n": n}
            to_send("state", "book", update)
            assert to_send("connection", "ask", {})["n"] == known


# the other direction: one's own replica after a call


def setting(teller: list[Any]) -> Any:
    """Return a handler that updates the state."""

    def set_next(args: Any, to_send: Any) -> dict[str, int]:
        teller.append(None)
        to_send("state", "book", {"n": len(teller)})
        return {"n": len(teller)}

    return set_next


@pytest.fixture
def owner() -> Any:
    """A service whose replyer `set` updates the state that it publishes."""
    module = module_of(
        "owner",
        state_models={"out": {"book": model("delta_update_out", N)}},
        connection_models={"in": {"set": replyer(setting([]), None, N)}},
    )
    places = {
        "states": {"out": {"book": dict.fromkeys(("publisher", "replyer"), ANY_PORT)}},
        "connections": {"in": {"set": ANY_PORT}},
    }
    with running(module, addresses=places, console_loglevel=None) as service:
        yield service


def following_owner(owner: Any, catch_up_s: float = 1.0, **definitions: Any) -> Any:
    """Run an admin that follows the owner's state and asks it to change it."""
    module = module_of(
        "admin",
        state_models={"in": {"book": model("delta_update_in", N)}},
        connection_models={
            "out": {"set": requester(None, N, catch_up_s=catch_up_s)},
            **definitions.pop("connection_models", {}),
        },
    )
    places = {
        "states": {"in": {"book": towards(owner.addresses["states"]["out"]["book"])}},
        "connections": {"out": {"set": address_of(owner, "set")}, "in": {"ask": ANY_PORT}},
    }
    if "in" not in module.connection_models:
        del places["connections"]["in"]
    return running(module, addresses=places, console_loglevel=None)


def test_ones_own_replica_knows_of_a_change_that_a_call_has_made_elsewhere(owner: Any) -> None:
    with following_owner(owner) as admin:
        for _ in range(ROUNDS):
            n = admin.to_send("connection", "set", {})["n"]
            assert admin.states["book"]["n"] == n
        assert admin.stats()["connections"]["out"]["set"]["behind"] == 0


def test_a_reply_does_not_wait_for_it_where_catch_up_s_is_0(owner: Any) -> None:
    with following_owner(owner, catch_up_s=0) as admin:

        def is_older() -> bool:
            n = admin.to_send("connection", "set", {})["n"]
            return bool(admin.states["book"].get("n", -1) != n)

        until(is_older, "a replica that is older")


def test_who_asks_a_service_that_had_it_changed_has_a_replica_that_knows(owner: Any) -> None:
    """The handler in the middle calls the owner; its reply tells what its service has by then."""

    def change(args: Any, to_send: Any) -> Any:
        return to_send("connection", "set", {})

    inbound = {"in": {"ask": replyer(change, None, N)}}
    with following_owner(owner, connection_models=inbound) as middle:
        module = module_of(
            "outer",
            state_models={"in": {"book": model("delta_update_in", N)}},
            connection_models={"out": {"change": requester(None, N)}},
        )
        places = {
            "states": {"in": {"book": towards(owner.addresses["states"]["out"]["book"])}},
            "connections": {"out": {"change": address_of(middle, "ask")}},
        }
        with running(module, addresses=places, console_loglevel=None) as outer:
            for _ in range(100):
                n = outer.to_send("connection", "change", {})["n"]
                assert outer.states["book"]["n"] == n


def test_what_a_handler_asks_after_a_call_that_changed_a_state_knows_of_the_change(
    owner: Any,
) -> None:
    """What the handler itself sees of the state stays as it is."""
    bound = owner.addresses["states"]["out"]["book"]
    seen: list[tuple[int, int]] = []

    def change_and_ask(args: Any, to_send: Any, states: Any) -> Any:
        before = states["book"].get("n", -1)
        n = to_send("connection", "set", {})["n"]
        seen.append((before, states["book"].get("n", -1)))
        return {"n": to_send("connection", "other", {})["n"] - n}

    with knowing(bound) as other:
        connects = {"set": address_of(owner, "set"), "other": other.address}
        with (
            knowing(bound, handler=change_and_ask, connects=connects) as middle,
            middle.peer() as peer,
        ):
            for _ in range(100):
                peer.send(msgpack.packb({"args": {}}))
                assert msgpack.unpackb(peer.recv())["return_args"] == {"n": 0}
    assert all(before == after for before, after in seen)


@contextmanager
def asking_a_liar(**creation: Any) -> Iterator[Service]:
    """Run a service that follows a state and asks who claims to have seen what there never was."""
    with bare(zmq.REP, bind="tcp://127.0.0.1:*") as liar, telling() as teller:
        teller.tell(5)
        module = module_of(
            "asking",
            state_models={"in": {"book": model("delta_update_in", N)}},
            connection_models={"out": {"ask": requester(None, N, catch_up_s=60.0, **creation)}},
        )
        places = {
            "states": {"in": {"book": towards(teller.bound)}},
            "connections": {"out": {"ask": liar.last_endpoint.decode()}},
        }

        def answer() -> None:
            liar.recv()
            seen = {str(teller.epoch): 2**60}
            liar.send(msgpack.packb({"return_args": {"n": 1}, "seen": seen}))

        thread = threading.Thread(target=answer)
        thread.start()
        with running(module, addresses=places, console_loglevel=None) as service:
            assert service.states.wait("book", number=0, timeout_s=PATIENCE_S)
            yield service
        thread.join()


def test_a_reply_waits_no_longer_than_its_call_may_take() -> None:
    with asking_a_liar(timeout_s=0.3) as service:
        began = monotonic()
        assert service.to_send("connection", "ask", {}) == {"n": 1}
        assert 0.2 < monotonic() - began < 5.0
        assert service.stats()["connections"]["out"]["ask"]["behind"] == 1


def test_a_reply_that_waits_is_given_to_its_caller_when_the_service_stops() -> None:
    got: list[Any] = []
    with asking_a_liar(timeout_s=60.0) as service:
        to_send, waiting = service.to_send, service.states.changes._waiting
        thread = threading.Thread(target=lambda: got.append(to_send("connection", "ask", {})))
        thread.start()
        until(lambda: waiting, "the wait for the state")
        service.stop_service()
        thread.join(PATIENCE_S)
        assert got == [{"n": 1}]
        assert service.failure is None
