"""Who publishes and at once asks is faster than the subscription that follows him."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.testing import module_of, running
from tests.support.models import replyer, requester
from tests.support.ports import held_port
from tests.support.state_pair import bus, model, towards
from tests.support.telling import Knower, N, Teller, knowing, telling
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A wait that a test does not sit out: what ends before has another reason.
LONG_S = 60.0


def older(teller: Teller, first: int, rounds: int = 30) -> list[tuple[int, int]]:
    """Update and ask; return what was told and answered where the answer did not know."""
    answers = []
    for n in range(first, first + rounds):
        teller.tell(n)
        answers.append((n, teller.ask()))
    return [(n, answer) for n, answer in answers if answer < n]


@pytest.fixture(params=["delta_update", "full_update"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Place:
    """Where a state is published, and where it is followed."""

    published: dict[str, str]
    heard: dict[str, str]
    is_bus: bool = False

    def telling(self, ask: str, kind: str) -> Any:
        """Run a service that publishes it and says nothing else for long."""
        sockets = ["publisher", *(["replyer"] if kind == "delta_update" else [])]
        return telling(
            ask,
            kind=kind,
            addresses={socket: self.published[socket] for socket in sockets},
            out={"is_x_pub": self.is_bus, "heartbeat_s": LONG_S},
        )

    def knowing(self, address: str, kind: str) -> Any:
        """Run a service that follows it."""
        follows = {"is_x_sub": self.is_bus, "stale_after_s": 2 * LONG_S}
        return knowing(self.heard, address=address, kind=kind, follows=follows, catch_up_s=LONG_S)


@pytest.fixture(params=["tcp", "inproc", "bus"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        one, other = (f"127.0.0.1:{stack.enter_context(held_port())}" for _ in range(2))
        if request.param == "inproc":
            one, other = f"inproc://{one}", f"inproc://{other}"
        both = {"publisher": one, "replyer": other}
        if request.param == "bus":
            between = stack.enter_context(bus())
            yield Place(
                {**both, "publisher": between.xsub},
                {**both, "publisher": between.xpub},
                is_bus=True,
            )
        else:
            yield Place(both, both)


def test_answers_know_of_a_run_that_has_just_begun_from_its_first_update_on(
    kind: str, place: Place
) -> None:
    with held_port() as port, ExitStack() as stack:
        address = f"127.0.0.1:{port}"
        knower = stack.enter_context(place.knowing(address, kind))
        for run in range(3):
            with place.telling(address, kind) as teller:
                assert not older(teller, first=100 * run)
        assert knower.counters["behind"] == 0


def test_answers_know_of_the_first_run_however_long_nobody_published(
    kind: str, place: Place
) -> None:
    with held_port() as port, ExitStack() as stack:
        address = f"127.0.0.1:{port}"
        knower = stack.enter_context(place.knowing(address, kind))
        pretend_opened_long_ago(knower)
        with place.telling(address, kind) as teller:
            assert not older(teller, first=0)
        assert knower.counters["behind"] == 0


def pretend_opened_long_ago(knower: Knower) -> None:
    slot = knower.service._run.state.run_context.states.slot("book")
    slot.opened_at -= 2 * LONG_S


def test_of_many_publishers_each_is_known_from_its_first_update_on() -> None:
    with ExitStack() as stack:
        port, bound = (stack.enter_context(held_port()) for _ in range(2))
        address, binder = f"127.0.0.1:{port}", {"publisher": f"127.0.0.1:{bound}"}
        knower = stack.enter_context(
            knowing(binder, address=address, kind="full_update", follows={"is_binder": True})
        )
        for run in range(3):
            with telling(
                address, kind="full_update", out={"is_x_pub": True}, addresses=binder
            ) as teller:
                for n in range(30):
                    teller.tell(100 * run + n)
                    assert teller.ask() == 100 * run + n
        assert knower.counters["behind"] == 0


def test_who_publishes_what_nobody_follows_there_does_not_wait() -> None:
    """The followed publisher is heard often, so that its state cannot be the caller's."""
    with held_port() as port, ExitStack() as stack:
        address = f"127.0.0.1:{port}"
        followed = stack.enter_context(telling(out={"heartbeat_s": 0.02}))
        followed.tell(0)
        knower = stack.enter_context(knowing(followed.bound, address=address, catch_up_s=LONG_S))
        assert knower.service.states.wait("book", timeout_s=PATIENCE_S)
        stranger = stack.enter_context(telling(address))
        stranger.tell(7)
        assert stranger.ask() == 0
        assert knower.counters["behind"] == 0


def test_while_the_followed_publisher_is_gone_a_strangers_run_costs_a_wait_and_is_counted() -> None:
    with held_port() as port, ExitStack() as stack:
        address = f"127.0.0.1:{port}"
        with telling() as followed:
            followed.tell(0)
            knower = stack.enter_context(knowing(followed.bound, address=address, catch_up_s=0.3))
            assert knower.service.states.wait("book", timeout_s=PATIENCE_S)
        stranger = stack.enter_context(telling(address))
        stranger.tell(7)
        began = monotonic()
        assert stranger.ask() == 0
        assert 0.3 <= monotonic() - began < 5.0
        assert knower.counters["behind"] == 1


def test_ones_own_replica_knows_of_a_change_that_a_call_made_by_a_run_that_has_just_begun() -> None:
    with held_port() as one, held_port() as other, held_port() as port, ExitStack() as stack:
        book = {"publisher": f"127.0.0.1:{one}", "replyer": f"127.0.0.1:{other}"}
        asking = module_of(
            "asking",
            state_models={"in": {"book": model("delta_update_in", N)}},
            connection_models={"out": {"set": requester(N, N, catch_up_s=LONG_S)}},
        )
        places = {
            "states": {"in": {"book": towards(book)}},
            "connections": {"out": {"set": f"127.0.0.1:{port}"}},
        }
        admin = stack.enter_context(running(asking, addresses=places, console_loglevel=None))
        for run in range(3):
            with owning(book, f"127.0.0.1:{port}"):
                for n in range(100 * run, 100 * run + 30):
                    admin.to_send("connection", "set", {"n": n})
                    assert admin.states["book"]["n"] == n
        assert admin.stats()["connections"]["out"]["set"]["behind"] == 0


def owning(book: dict[str, str], address: str) -> Any:
    """Run a service whose replyer `set` updates the state that it publishes."""

    def set_n(args: Any, to_send: Any) -> Any:
        to_send("state", "book", args)
        return args

    module = module_of(
        "owner",
        state_models={"out": {"book": model("delta_update_out", N)}},
        connection_models={"in": {"set": replyer(set_n, N, N)}},
    )
    places = {"states": {"out": {"book": book}}, "connections": {"in": {"set": address}}}
    return running(module, addresses=places, console_loglevel=None)
