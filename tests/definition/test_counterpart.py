"""The other side's model: its fields, its topic, and nothing else of how it was made."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any

import pytest

from sf_actors import ModelError, counterpart
from sf_actors.testing import running
from tests.support.models import Sender, at, into, publisher, service
from tests.support.waiting import PATIENCE_S


@dataclass
class Order:
    price: int


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("connection_type", "replyer", "requester"),
        ("connection_type", "publisher", "subscriber"),
        ("state_type", "delta_update_out", "delta_update_in"),
        ("state_type", "full_update_out", "full_update_in"),
        ("state_type", "delta_update", "delta_update"),
        ("state_type", "local_variable_full_update", "local_variable_full_update"),
    ],
)
def test_each_type_has_its_other_side_and_back(key: str, one: str, other: str) -> None:
    assert counterpart({key: one}) == {key: other}
    assert counterpart({key: other}) == {key: one}


def test_the_fields_are_the_same_and_new_dicts() -> None:
    model: dict[str, Any] = {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_order": print, "deduplicate": True},
        "optional_creation_arguments": None,
        "required_arguments": Order,
        "optional_connection_arguments": {"desk": str},
        "required_return_arguments": {"cost": int},
        "optional_return_arguments": None,
    }
    other = counterpart(model)

    assert other == {
        "connection_type": "requester",
        "required_arguments": Order,
        "optional_connection_arguments": {"desk": str},
        "required_return_arguments": {"cost": int},
        "optional_return_arguments": None,
    }
    assert other["required_return_arguments"] is not model["required_return_arguments"]


@pytest.mark.parametrize("key", ["required_creation_arguments", "optional_creation_arguments"])
def test_the_topic_goes_with_it(key: str) -> None:
    model = {"connection_type": "publisher", key: {"topic": "utc", "is_x_pub": True}}

    assert counterpart(model) == {
        "connection_type": "subscriber",
        "optional_creation_arguments": {"topic": "utc"},
    }


@pytest.mark.parametrize("type_", ["timer", "external_target", "external_request"])
def test_what_has_no_other_side_is_refused(type_: str) -> None:
    with pytest.raises(ModelError, match=f"type '{type_}' has no other side"):
        counterpart({"connection_type": type_})


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({}, "with 'connection_type' or 'state_type'"),
        (None, "expected a model, got None"),
        ({"connection_type": "replier"}, "did you mean 'replyer'"),
    ],
)
def test_what_is_no_model_is_refused(model: Any, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        counterpart(model)


def test_a_handler_added_makes_it_the_model_of_a_service() -> None:
    got: queue.Queue[Any] = queue.Queue()
    news = publisher({"n": int}, topic="utc", wait_after_creation_s=0.3)
    heard = {**counterpart(news), "required_creation_arguments": {"on_news": into(got)}}
    both = {"news": "inproc://news-of-a-counterpart"}
    sender = Sender()
    with (
        running(service(inbound={"news": heard}), addresses=at(both), console_loglevel=None),
        running(
            service(outbound={"news": news}, init_function=sender),
            addresses=at(outbound=both),
            console_loglevel=None,
        ),
    ):
        sender.connection("news", {"n": 1})
        assert got.get(timeout=PATIENCE_S) == {"n": 1}
