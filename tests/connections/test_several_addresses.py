"""A requester with several addresses: where calls go, and what becomes of those that are gone."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout, UsageError
from sf_actors.connections import exchange
from sf_actors.errors import AddressError, ModelError
from sf_actors.testing import running
from tests.support.actor_faults import Slow
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import N, asking
from tests.support.models import at, counters, replyer, requester, service, subscriber
from tests.support.services import Background
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bare_sockets import Socket


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    return [f"ipc://{tmp_path}/{name}" for name in "abc"]


@contextmanager
def numbered(places: list[str], *numbers: int) -> Iterator[list[Any]]:
    """Run replyers that say who they are."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running(
                    service(f"r{number}", {"it": replyer(lambda args, n=number: {"n": n}, N, N)}),
                    addresses=at({"it": places[number]}),
                )
            )
            for number in numbers
        ]


def all_there(ours: Any, count: int) -> None:
    """Wait until so many are connected, which calls bring about."""

    def are_there() -> bool:
        ours.ask(0)
        (only,) = ours.service._run.state.assembly.connections["ask"].exchanges
        return sum(link.is_connected for link in only.links) == count

    until(are_there, "the connections")


def test_calls_without_others_under_way_go_to_all_in_turn(places: list[str]) -> None:
    with numbered(places, 0, 1, 2), asking(places, timeout_s=PATIENCE_S) as ours:  # type: ignore[arg-type]
        all_there(ours, 3)
        found = [ours.ask(0)["n"] for _ in range(9)]
        assert found[:3] * 3 == found
        assert sorted(found[:3]) == [0, 1, 2]


def test_a_dead_one_is_left_out_and_used_again_when_it_is_back(places: list[str]) -> None:
    with asking(places, timeout_s=PATIENCE_S) as ours, numbered(places, 0, 2):  # type: ignore[arg-type]
        all_there(ours, 2)
        with numbered(places, 1):
            until(lambda: ours.ask(0)["n"] == 1, "the late one")
        assert {ours.ask(0)["n"] for _ in range(12)} == {0, 2}
        with numbered(places, 1):
            until(lambda: ours.ask(0)["n"] == 1, "the one that came back")


def test_the_first_that_comes_gets_the_call_that_waits(places: list[str]) -> None:
    with asking(places, timeout_s=PATIENCE_S) as ours:  # type: ignore[arg-type]
        replies: list[Any] = []
        call = Background(lambda: replies.append(ours.ask(0)))
        with numbered(places, 1):
            assert call.join() is None
        assert replies == [{"n": 1}]


@pytest.mark.slow
def test_a_frozen_replyer_is_no_black_hole(places: list[str]) -> None:
    with (
        bare(zmq.ROUTER, bind=places[0]) as frozen,
        numbered(places, 1),
        asking(places[:2], timeout_s=2.0) as ours,  # type: ignore[arg-type]
    ):
        outcomes = []
        for _ in range(30):
            try:
                outcomes.append(ours.ask(0)["n"])
            except RequestTimeout:
                outcomes.append(None)
        assert outcomes.count(None) == 1
        # its late reply is no reply of another, and it is used again
        *back, frame = frozen.recv_multipart()
        frozen.send_multipart([*back, packed({"return_args": {"n": 7}})])
        deadline = monotonic() + PATIENCE_S
        while True:
            # until the late reply has been read the other one is asked
            assert monotonic() < deadline, "it is not used again"
            call = Background(lambda: ours.ask(0))
            until(lambda call=call: call.is_over or frozen.poll(0))
            if frozen.poll(0):
                break
        *back, frame = frozen.recv_multipart()
        assert unpacked(frame)["args"] == {"n": 0}
        frozen.send_multipart([*back, packed({"return_args": {"n": 7}})])
        call.join()


@pytest.mark.slow
@pytest.mark.parametrize("idempotent", [False, True])
def test_a_retry_goes_elsewhere_only_if_the_call_is_idempotent(
    places: list[str], idempotent: bool
) -> None:
    def answering(socket: Socket) -> bool:
        *back, _ = socket.recv_multipart()
        socket.send_multipart([*back, packed({"return_args": {"n": 1}})])
        return True

    with (
        bare(zmq.ROUTER, bind=places[0]) as first,
        bare(zmq.ROUTER, bind=places[1]) as second,
        asking(places[:2], timeout_s=1.0, retries=1, idempotent=idempotent) as ours,  # type: ignore[arg-type]
    ):
        replies: list[Any] = []
        call = Background(lambda: replies.append(ours.ask(0)))
        poller = zmq.Poller()
        for socket in (first, second):
            poller.register(socket, zmq.POLLIN)
        ((asked, _),) = poller.poll(5_000)
        other = second if asked is first else first
        asked.recv_multipart()
        assert answering(other if idempotent else asked)
        assert call.join() is None
        assert replies == [{"n": 1}]


@pytest.mark.slow
def test_the_value_of_a_field_decides_as_long_as_its_replyer_is_there(places: list[str]) -> None:
    with ExitStack() as all_three:
        all_three.enter_context(numbered(places, 0, 1, 2))
        asked = asking(places, timeout_s=PATIENCE_S, by="n")  # type: ignore[arg-type]
        with asked as ours:
            before = {n: ours.ask(n)["n"] for n in range(40)}
            assert set(before.values()) == {0, 1, 2}
            assert {n: ours.ask(n)["n"] for n in range(40)} == before
            all_three.close()
            with numbered(places, 0, 1):

                def moved() -> dict[int, int]:
                    return {n: ours.ask(n)["n"] for n in range(40)}

                kept = {n: place for n, place in before.items() if place != 2}
                until(lambda: kept.items() <= moved().items(), "the same places")


@pytest.mark.slow
def test_an_unhandled_call_goes_to_another_at_once(places: list[str]) -> None:
    slow = Slow()
    model = {"it": replyer(slow, N, {})}
    with (
        running(service("first", model), addresses=at({"it": places[0]})) as first,
        asking(places[:2], timeout_s=PATIENCE_S) as ours,  # type: ignore[arg-type]
    ):
        busy = Background(ours.ask, 0)
        slow.wait_for_call()
        stop = Background(first.stop_service)
        until(first._run.state.stop_begun.is_set, "the stop")  # type: ignore[union-attr]
        with numbered(places, 1):
            assert ours.ask(0) == {"n": 1}
        slow.release(1)
        stop.join()
        busy.join()


@pytest.fixture
def in_a_long_pause(places: list[str]) -> Iterator[Any]:
    """Give a caller of two addresses that will not try the second again by itself."""
    with asking(places[:2], timeout_s=PATIENCE_S) as ours:  # type: ignore[arg-type]
        requester = ours.service._run.state.assembly.connections["ask"]  # type: ignore[union-attr]
        first, second = requester.exchanges[0].links

        def long_pause() -> None:
            until(lambda: ours.ask(0) and second.retry_at is not None, "a try in vain")
            second.retry_at = monotonic() + 10 * PATIENCE_S

        ours.pause = long_pause  # type: ignore[attr-defined]
        ours.has_heard_of_the_stop = lambda: first.is_stopping  # type: ignore[attr-defined]
        yield ours


@pytest.mark.slow
def test_when_one_stops_another_is_tried_at_once(places: list[str], in_a_long_pause: Any) -> None:
    slow = Slow()
    answering = [lambda _args: None, slow]
    model = {"it": replyer(lambda args: answering[0](args) or {"n": 0}, N, N)}
    first_at = at({"it": places[0]})
    with running(service("first", model), addresses=first_at) as first:
        in_a_long_pause.pause()
        answering.pop(0)
        busy = Background(in_a_long_pause.ask, 0)
        slow.wait_for_call()
        with numbered(places, 1):
            stop = Background(first.stop_service)
            # a call that the first one read before its stop would wait for the slow one
            until(in_a_long_pause.has_heard_of_the_stop, "the notice of the stop")
            assert in_a_long_pause.ask(0) == {"n": 1}
            slow.release(1)
            stop.join()
            assert busy.join() is None


def test_when_one_is_lost_another_is_tried_at_once(
    places: list[str], in_a_long_pause: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if it were killed: the notice of its stop is not understood
    monkeypatch.setattr(exchange, "STOPPING", b"")
    with numbered(places, 0):
        in_a_long_pause.pause()
    with numbered(places, 1):
        assert in_a_long_pause.ask(0) == {"n": 1}


@pytest.mark.slow
def test_connect_sends_further_calls_elsewhere_and_loses_none(places: list[str]) -> None:
    slow = Slow()
    model = {"it": replyer(slow, N, {})}
    with (
        running(service("first", model), addresses=at({"it": places[0]})) as first,
        numbered(places, 1, 2),
        asking(places[0], timeout_s=PATIENCE_S) as ours,
    ):
        busy = Background(ours.ask, 0)
        slow.wait_for_call()
        ours.service.connect("connections", "out", "ask", places[1:])
        assert {ours.ask(0)["n"] for _ in range(8)} <= {1, 2}
        assert counters(first, "it")["received"] == 1
        slow.release(1)
        assert "n" in str(busy.join()), "it was answered, by a reply without that field"
        ours.service.connect("connections", "out", "ask", places[2])
        assert {ours.ask(0)["n"] for _ in range(4)} == {2}
        with pytest.raises(UsageError, match="'ask'"):
            ours.service.connect("connections", "out", "asks", places[2])
        with pytest.raises(AddressError):
            ours.service.connect("connections", "out", "ask", [])


def test_a_subscriber_hears_all_its_addresses_and_those_it_is_sent_to(places: list[str]) -> None:
    heard: list[int] = []
    model = subscriber(lambda args: heard.append(args["n"]), N)
    with ExitStack() as stack:
        pubs = [stack.enter_context(bare(zmq.XPUB, bind=place)) for place in places]
        served = stack.enter_context(
            running(service("s", {"it": model}), addresses=at({"it": places[:2]}))  # type: ignore[dict-item]
        )
        for number, pub in enumerate(pubs[:2]):
            pub.recv()
            pub.send(packed({"args": {"n": number}, "workflow_id": None}))
        until(lambda: sorted(heard) == [0, 1], "both")
        served.connect("connections", "in", "it", places[2])
        pubs[2].recv()
        pubs[2].send(packed({"args": {"n": 2}, "workflow_id": None}))
        until(lambda: sorted(heard) == [0, 1, 2], "the third")
        assert counters(served, "it")["restarts"] == 0


def test_a_list_is_an_error_for_what_binds(places: list[str]) -> None:
    module = service("s", {"it": replyer(lambda args: None)})
    with (
        pytest.raises(AddressError, match="got a list"),
        running(
            module,
            addresses=at({"it": places}),  # type: ignore[dict-item]
        ),
    ):
        pass


def test_by_names_a_required_field(places: list[str]) -> None:
    module = service("s", outbound={"it": requester(N, N, by="m")})
    with (
        pytest.raises(ModelError, match=r"'by'.*required field"),
        running(
            module,
            addresses=at(outbound={"it": places}),  # type: ignore[dict-item]
        ),
    ):
        pass
