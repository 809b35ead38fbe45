"""Each update's handler runs under the workflow id of that update, however late it is applied."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors.log import WORKFLOW_ID
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

OUT, IN = "delta_update_out", "delta_update_in"
COUNTS = {"n": int, "odd": dict}
EPOCH = 7


class BarePublisher:
    """A publisher of plain sockets, and the replica that follows it."""

    def __init__(self, news: zmq.Socket[bytes], replyer: zmq.Socket[bytes]) -> None:
        self._news = news
        self._replyer = replyer
        #: the fields and the workflow id of each call of the handler
        self.calls: list[tuple[dict[str, Any], object]] = []
        self.follower: Any = None
        self._reply: dict[str, Any] = {}

    def note(self, args: Any, _states: Any) -> None:
        self.calls.append((args, WORKFLOW_ID.get()))

    def delta(self, number: int, workflow_id: object, **state: Any) -> None:
        args = {"current_num": number, "is_snapshot": False, "state": state or {"n": number}}
        message = {"args": args, "workflow_id": workflow_id, "epoch": EPOCH}
        self._news.send(msgpack.packb(message))

    def answer(self, **reply: Any) -> None:
        """Answer a request, and in `until` those that come meanwhile.

        What the replica has asked before it heard of the epoch it asks again.
        """
        assert self._replyer.poll(PATIENCE_S * 1000), "nobody asked"
        self._reply = reply
        self._answer_one(reply)

    def until(self, condition: Callable[[], bool]) -> None:
        def holds() -> bool:
            while self._replyer.poll(0):
                self._answer_one(self._reply)
            return condition()

        until(holds)

    def _answer_one(self, reply: dict[str, Any]) -> None:
        *address, request = self._replyer.recv_multipart()
        token = msgpack.unpackb(request)["workflow_id"]
        packed = msgpack.packb({"workflow_id": token, "epoch": EPOCH, **reply})
        self._replyer.send_multipart([*address, packed])

    def answer_whole(self, number: int) -> None:
        self.answer(return_args={"state": {"n": number, "odd": {}}, "current_num": number})


@contextmanager
def bare_publisher() -> Iterator[BarePublisher]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    news, replyer = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    ports = [end.bind_to_random_port("tcp://127.0.0.1") for end in (news, replyer)]
    addresses = {"subscriber": f"127.0.0.1:{ports[0]}", "requester": f"127.0.0.1:{ports[1]}"}
    publisher = BarePublisher(news, replyer)
    try:
        with following(model(IN, COUNTS), addresses, handler=publisher.note) as follower:
            assert news.poll(PATIENCE_S * 1000)
            publisher.follower = follower
            yield publisher
    finally:
        news.close(0)
        replyer.close(0)
        context.term()


def test_deltas_that_were_buffered_keep_their_ids() -> None:
    with bare_publisher() as publisher:
        for number in (5, 6, 7):
            publisher.delta(number, f"of {number}")
        until(lambda: len(publisher.follower.actor._replica._buffer) == 3)
        publisher.answer_whole(4)
        publisher.until(lambda: len(publisher.calls) == 4)
    assert publisher.calls[1:] == [({"n": n}, f"of {n}") for n in (5, 6, 7)]
    assert not str(publisher.calls[0][1]).startswith("of")


def test_deltas_in_the_wrong_order_keep_their_ids() -> None:
    with bare_publisher() as publisher:
        publisher.delta(0, None)
        publisher.answer_whole(0)
        publisher.until(lambda: len(publisher.calls) == 1)
        publisher.delta(2, ["any", {"thing": 2}])
        publisher.delta(1, "of 1")
        publisher.until(lambda: len(publisher.calls) == 3)
    assert publisher.calls[1] == ({"n": 1}, "of 1")
    fields, id_ = publisher.calls[2]
    assert fields == {"n": 2}
    assert id_.__plain__() == ["any", {"thing": 2}]  # type: ignore[attr-defined]


def test_a_delta_that_fits_only_a_later_value_keeps_its_id() -> None:
    with bare_publisher() as publisher:
        publisher.delta(0, None)
        publisher.answer_whole(0)
        publisher.until(lambda: len(publisher.calls) == 1)
        # refused: a required field cannot be deleted; then the same number, as a publisher would
        publisher.delta(1, "refused", n=None)
        publisher.delta(2, "of 2")
        publisher.answer_whole(1)
        publisher.until(lambda: len(publisher.calls) == 3)
    assert publisher.calls[2] == ({"n": 2}, "of 2")


def test_deltas_that_are_sent_again_have_the_ids_of_the_first_time() -> None:
    with bare_publisher() as publisher:
        publisher.delta(0, None)
        publisher.answer_whole(0)
        publisher.until(lambda: len(publisher.calls) == 1)
        publisher.delta(3, "of 3")
        deltas = [
            {"current_num": n, "is_snapshot": False, "state": {"n": n}, "workflow_id": f"of {n}"}
            for n in (1, 2, 3)
        ]
        deltas[1]["workflow_id"] = [2]
        publisher.answer(deltas=deltas)
        publisher.until(lambda: len(publisher.calls) == 4)
    (_, first), (_, second), (_, third) = publisher.calls[1:]
    assert (first, second.__plain__(), third) == ("of 1", [2], "of 3")  # type: ignore[attr-defined]


def test_ids_that_do_not_fit_make_an_answer_of_deltas_useless() -> None:
    with bare_publisher() as publisher:
        publisher.delta(0, None)
        publisher.answer_whole(0)
        publisher.until(lambda: len(publisher.calls) == 1)
        publisher.delta(2, "of 2")
        delta = {"current_num": 1, "is_snapshot": False, "state": {"n": 1}}
        publisher.answer(deltas=[{**delta, "workflow_id": b"x" * 70_000}])
        publisher.until(lambda: publisher.follower.status.error is not None)
        assert "workflow id" in publisher.follower.status.error
        publisher.answer(deltas=[delta])
        publisher.until(lambda: len(publisher.calls) == 3)
    assert publisher.calls[2] == ({"n": 2}, "of 2")


def test_an_update_that_was_lost_comes_with_its_id() -> None:
    ids: list[object] = []
    with (
        leading(model(OUT, {"n": int})) as leader,
        following(
            model(IN, {"n": int}),
            towards(leader.addresses),
            handler=lambda _args, _states: ids.append(WORKFLOW_ID.get()),
        ) as follower,
    ):
        leader.send(n=0)
        until(lambda: len(ids) == 1)
        publication = leader.actor.publication
        socket = publication.out.socket
        for n in (1, 2):
            # without a socket the first one is numbered and kept, but goes nowhere
            publication.out.socket = None if n == 1 else socket
            token = WORKFLOW_ID.set(f"of {n}")
            leader.send(n=n)
            WORKFLOW_ID.reset(token)
        until(lambda: len(ids) == 3)
        assert follower.status.gaps == 1
    assert ids[1:] == ["of 1", "of 2"]


def test_the_bytes_of_ids_count_in_what_is_buffered() -> None:
    with bare_publisher() as publisher:
        publisher.delta(5, "x" * 60_000)
        buffer = publisher.follower.actor._replica._buffer
        until(lambda: len(buffer) == 1)
        assert buffer._bytes > 60_000
