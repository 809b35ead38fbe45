"""Classes in models, as services see them: handlers get instances, and answer with them."""

import queue
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest

from sf_actors import InvalidArguments, ModelError, RemoteError
from sf_actors.testing import module_of, running
from tests.support.models import (
    Sender,
    at,
    counters,
    external,
    into,
    publisher,
    replyer,
    requester,
    service,
    subscriber,
)
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import PATIENCE_S


@dataclass
class Order:
    price: Decimal
    quantity: int = 1

    def __post_init__(self) -> None:
        if self.quantity == 13:
            raise ValueError("no luck")


class Filled(msgspec.Struct):
    cost: Decimal


class Tick(NamedTuple):
    symbol: str
    orders: tuple[Order, ...] = ()


class Note(TypedDict):
    text: str


ADDRESS = "inproc://orders-of-classes"
SERVED = at({"orders": ADDRESS})
ASKED = at(outbound={"orders": ADDRESS})


def ask(
    handler: Any, request: Any, server: tuple[Any, Any], client: tuple[Any, Any]
) -> tuple[Any, Any]:
    """Return the reply, and the counters of the replyer."""
    sender = Sender()
    answering = service(inbound={"orders": replyer(handler, *server)})
    asking = service(outbound={"orders": requester(*client)}, init_function=sender)
    with running(answering, addresses=SERVED, console_loglevel=None) as serving:
        with running(asking, addresses=ASKED, console_loglevel=None):
            reply = sender.connection("orders", request)
        return reply, counters(serving, "orders")


BOTH = (Order, Filled)


def fill(args: Order) -> Filled:
    assert type(args) is Order
    return Filled(args.price * args.quantity)


@pytest.mark.parametrize("request_", [Order(Decimal(2), 3), {"price": Decimal(2), "quantity": 3}])
def test_a_handler_gets_an_instance_and_so_does_who_asked(request_: Any) -> None:
    assert ask(fill, request_, BOTH, BOTH)[0] == Filled(Decimal(6))


def test_a_handler_may_answer_with_a_dict() -> None:
    reply, _ = ask(lambda args: {"cost": args.price}, Order(Decimal(2)), BOTH, BOTH)
    assert reply == Filled(Decimal(2))


def test_either_side_may_do_without_classes() -> None:
    plain = {"price": Decimal}, {"cost": Decimal}
    assert ask(fill, {"price": Decimal(2)}, BOTH, plain)[0] == {"cost": Decimal(2)}


def test_a_typed_dict_is_a_dict() -> None:
    both = (Note, Note)
    assert ask(lambda args: args, {"text": "x"}, both, both)[0] == {"text": "x"}


def test_what_a_constructor_raises_is_the_answer_and_no_handler_is_called() -> None:
    plain = {"price": Decimal, "quantity": int}, {"cost": Decimal}
    with pytest.raises(RemoteError, match="Order raised ValueError: no luck") as caught:
        ask(fill, {"price": Decimal(2), "quantity": 13}, BOTH, plain)
    assert caught.value.type == "InvalidMessage"


def test_the_text_of_a_constructor_is_told_to_no_peer_that_gets_the_type_alone() -> None:
    sender = Sender()
    plain = requester({"price": Decimal, "quantity": int}, {"cost": Decimal})
    answering = service(inbound={"orders": replyer(fill, *BOTH)})
    asking = service(outbound={"orders": plain}, init_function=sender)
    with (
        running(answering, addresses=SERVED, console_loglevel=None, error_details="type"),
        running(asking, addresses=ASKED, console_loglevel=None),
        pytest.raises(RemoteError) as caught,
    ):
        sender.connection("orders", {"price": Decimal(1), "quantity": 13})
    assert caught.value.message == ""


def test_a_reply_that_a_constructor_refuses_is_an_error_of_the_call() -> None:
    plain = {"text": str}, {"price": Decimal, "quantity": int}
    with pytest.raises(InvalidArguments, match="Order raised ValueError: no luck"):
        ask(
            lambda args: {"price": Decimal(1), "quantity": 13},
            {"text": ""},
            plain,
            (Note, Order),
        )


def test_a_subscriber_gets_what_was_published() -> None:
    got: queue.Queue[Any] = queue.Queue()
    sender = Sender()
    both = {"ticks": "inproc://ticks-of-classes"}
    hearing = service(inbound={"ticks": subscriber(into(got), Tick)})
    telling = service(
        outbound={"ticks": publisher(Tick, wait_after_creation_s=0.3)},
        init_function=sender,
    )
    tick = Tick("abc", (Order(Decimal(1)),))
    with (
        running(hearing, addresses=at(both), console_loglevel=None),
        running(telling, addresses=at(outbound=both), console_loglevel=None),
    ):
        sender.connection("ticks", tick)
        assert got.get(timeout=PATIENCE_S) == tick


def test_an_external_target_gets_its_arguments_by_keyword_and_answers_with_an_instance() -> None:
    def target(symbol: str, orders: tuple[Order, ...]) -> Filled:
        assert type(orders[0]) is Order
        return Filled(orders[0].price)

    sender = Sender()
    models = {"fill": external(target, Tick, Filled)}
    with running(service(outbound=models, init_function=sender), console_loglevel=None):
        reply = sender.connection("fill", Tick("abc", (Order(Decimal(4)),)))
        assert reply == Filled(Decimal(4))


def test_a_state_has_dicts_and_takes_instances() -> None:
    fields = {"rows": {str: Filled}, "note": Note}
    with (
        leading(model("delta_update_out", fields)) as leader,
        following(model("delta_update_in", fields), towards(leader.addresses)) as follower,
    ):
        leader.send(rows={"a": Filled(Decimal(1))}, note={"text": "x"})
        value = {"rows": {"a": {"cost": Decimal(1)}}, "note": {"text": "x"}}
        follower.wait_for(value)
        leader.send(rows={"b": {"cost": Decimal(2)}})
        args, _ = follower.next_update()
        assert args == {"rows": {"b": {"cost": Decimal(2)}}}


@pytest.mark.parametrize("kind", ["delta_update", "full_update"])
def test_a_whole_state_may_be_an_instance(kind: str) -> None:
    def of_side(side: str) -> dict[str, Any]:
        return {**model(f"{kind}_{side}"), "required_arguments": Order}

    with (
        leading(of_side("out")) as leader,
        following(of_side("in"), towards(leader.addresses)) as follower,
    ):
        leader.to_send("state", "book", Order(Decimal(2)))
        follower.wait_for({"price": Decimal(2), "quantity": 1})
        leader.to_send("state", "book", {"price": Decimal(3)})
        until = {"price": Decimal(3)} | ({"quantity": 1} if kind == "delta_update" else {})
        follower.wait_for(until)


@pytest.mark.parametrize("beside", ["optional_arguments", "required_connection_arguments"])
def test_nothing_stands_beside_a_whole_class(beside: str) -> None:
    given = {**requester(), "required_arguments": Order, beside: {"x": int}}
    with (
        pytest.raises(ModelError, match=f"no '{beside}' beside Order"),
        running(module_of(connection_models={"out": {"orders": given}}), addresses=ASKED),
    ):
        pass
