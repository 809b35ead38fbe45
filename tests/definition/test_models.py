"""Connection models and state models: what they become, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sf_actors.definition.models import Model, build_models
from sf_actors.errors import DefinitionError, ModelError

WHERES = {"connections": "svc.py: connection_models", "states": "svc.py: state_models"}


def on_new(args: Any) -> None: ...


def build(kind: Any, raw: object, overrides: Any = None) -> tuple[Model, ...]:
    return build_models(
        kind,
        raw,
        overrides or {},
        names={},
        where=WHERES[kind],
        overrides_where="svc.py: setup_connections()",
    )


def connection(side: str, type_: str, **keys: Any) -> Model:
    (model,) = build("connections", {side: {"orders": {"connection_type": type_, **keys}}})
    return model


def state(side: str, type_: str = "delta_update", **keys: Any) -> Model:
    (model,) = build("states", {side: {"book": {"state_type": type_, **keys}}})
    return model


def replyer(**keys: Any) -> Model:
    return connection("in", "replyer", required_creation_arguments={"on_new": on_new}, **keys)


def refusal(kind: Any, raw: object, overrides: Any = None) -> str:
    with pytest.raises(DefinitionError) as caught:
        build(kind, raw, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def state_refusal(side: str = "out", type_: str = "delta_update", **keys: Any) -> str:
    return refusal("states", {side: {"book": {"state_type": type_, **keys}}})


def test_a_model_has_its_kind_side_name_type_and_place() -> None:
    model = replyer()
    assert model.key == ("connections", "in", "orders")
    assert model.type == "replyer"
    assert model.where == "svc.py: connection_models['in']['orders']"


def test_the_handler_is_the_raw_function() -> None:
    assert replyer().handler is on_new


def test_the_arguments_and_the_reply_have_their_fields() -> None:
    model = replyer(
        required_arguments={"order_id": str},
        optional_arguments={"limit": Decimal},
        required_return_arguments={"ok": bool},
        optional_return_arguments={"why": str},
    )
    assert dict(model.arguments.required) == {"order_id": str}
    assert dict(model.arguments.optional) == {"limit": Decimal}
    assert dict(model.return_arguments.required) == {"ok": bool}
    assert dict(model.return_arguments.optional) == {"why": str}


def test_connection_arguments_are_further_fields() -> None:
    model = replyer(
        required_connection_arguments={"a": int},
        required_arguments={"b": int},
        optional_connection_arguments={"c": int},
    )
    assert set(model.arguments.required) == {"a", "b"}
    assert set(model.arguments.optional) == {"c"}


def test_state_arguments_are_further_fields_of_a_state() -> None:
    assert set(state("out", required_state_arguments={"a": int}).arguments.required) == {"a"}


@pytest.mark.parametrize("raw", [None, {}, {"in": None}, {"in": {}, "out": None}])
def test_none_stands_for_no_models(raw: object) -> None:
    assert build("connections", raw) == ()


def test_none_stands_for_no_arguments() -> None:
    model = connection(
        "out",
        "requester",
        required_creation_arguments=None,
        optional_creation_arguments=None,
        required_arguments=None,
        optional_arguments=None,
        required_return_arguments=None,
        optional_return_arguments=None,
        required_connection_arguments=None,
        optional_connection_arguments=None,
    )
    assert not model.arguments.required
    assert model.creation["timeout_s"] == 5.0


def test_inbound_models_come_first() -> None:
    sub = {"connection_type": "subscriber", "required_creation_arguments": {"on_new": on_new}}
    models = build(
        "connections", {"out": {"a": {"connection_type": "publisher"}}, "in": {"b": sub}}
    )
    assert [model.name for model in models] == ["b", "a"]


@pytest.mark.parametrize(
    "spelling", ["delta_update", "local_variable_delta_update", "delta_update_in"]
)
def test_a_delta_update_has_the_type_of_its_side(spelling: str) -> None:
    assert state("in", spelling).type == "delta_update_in"


@pytest.mark.parametrize(
    "spelling", ["full_update", "local_variable_full_update", "full_update_out"]
)
def test_a_full_update_has_the_type_of_its_side(spelling: str) -> None:
    assert state("out", spelling).type == "full_update_out"


def test_external_request_is_an_external_target() -> None:
    model = connection("out", "external_request", required_creation_arguments={"func_to_call": len})
    assert model.type == "external_target"
    assert model.creation["target"] is len
    assert model.sockets == ()


def binds(side: str, type_: str, kind: str = "connection", **creation: Any) -> Any:
    if type_ in ("replyer", "subscriber"):
        creation["on_new"] = on_new
    make = connection if kind == "connection" else state
    model = make(side, type_, required_creation_arguments=creation)
    assert tuple(model.binds) == model.sockets
    return model.binds


def test_a_replyer_binds_and_a_requester_connects() -> None:
    assert binds("in", "replyer") == {"replyer": True}
    assert binds("out", "requester") == {"requester": False}


def test_a_publisher_binds_unless_it_publishes_to_a_bus() -> None:
    assert binds("out", "publisher") == {"publisher": True}
    assert binds("out", "publisher", is_x_pub=True) == {"publisher": False}


def test_a_subscriber_connects_unless_it_is_the_binder() -> None:
    assert binds("in", "subscriber") == {"subscriber": False}
    assert binds("in", "subscriber", is_binder=True) == {"subscriber": True}


def test_a_full_state_binds_where_it_publishes() -> None:
    assert binds("out", "full_update", "state") == {"publisher": True}
    assert binds("in", "full_update", "state") == {"subscriber": False}
    assert binds("in", "full_update", "state", is_binder=True) == {"subscriber": True}


def test_a_delta_state_binds_both_sockets_outbound_and_none_inbound() -> None:
    assert binds("out", "delta_update", "state") == {"publisher": True, "replyer": True}
    assert binds("in", "delta_update", "state") == {"subscriber": False, "requester": False}


def test_a_delta_state_on_a_bus_still_binds_its_replyer() -> None:
    bus = binds("out", "delta_update", "state", is_x_pub=True)
    assert bus == {"publisher": False, "replyer": True}


# What is refused


@pytest.mark.parametrize("raw", [[], "in", 5])
def test_something_else_than_a_dict_is_refused(raw: object) -> None:
    assert refusal("connections", raw).startswith("svc.py: connection_models: expected a dict, got")


def test_an_unknown_side_is_refused() -> None:
    message = refusal("connections", {"inn": {}})
    assert message.endswith("expected the sides 'in' and 'out', got str 'inn'; did you mean 'in'?")


def test_a_side_of_the_wrong_shape_is_refused() -> None:
    assert "connection_models['in']: expected a dict" in refusal("connections", {"in": [1]})


def test_a_model_of_the_wrong_shape_is_refused() -> None:
    assert "['orders']: expected a dict" in refusal("connections", {"in": {"orders": "replyer"}})


def test_none_is_no_model() -> None:
    assert "expected a model, got None" in refusal("connections", {"in": {"orders": None}})


@pytest.mark.parametrize("name", [5, "", None])
def test_a_name_that_is_no_text_is_refused(name: object) -> None:
    assert "expected names of models" in refusal("connections", {"in": {name: {}}})


def test_a_missing_type_is_refused() -> None:
    message = refusal("connections", {"in": {"orders": {}}})
    assert message.endswith(
        "the key 'connection_type' is missing, which says one of replyer, subscriber, timer"
    )


def test_a_mistyped_type_key_is_hinted_at() -> None:
    message = refusal("connections", {"in": {"orders": {"conection_type": "replyer"}}})
    assert "'conection_type'" in message


def test_an_unknown_type_is_refused_with_those_of_its_side() -> None:
    message = refusal("connections", {"in": {"orders": {"connection_type": "replier"}}})
    assert message.endswith(
        "expected one of replyer, subscriber, timer, got str 'replier'; did you mean 'replyer'?"
    )


def test_a_type_with_braces_is_only_unknown() -> None:
    assert "'{x}'" in refusal("connections", {"in": {"orders": {"connection_type": "{x}"}}})


def test_a_type_that_is_no_text_is_refused() -> None:
    assert "got int 5" in refusal("states", {"in": {"book": {"state_type": 5}}})


def test_a_type_of_the_other_side_is_refused() -> None:
    message = refusal("connections", {"in": {"orders": {"connection_type": "publisher"}}})
    assert "which belongs in connection_models['out']" in message


def test_a_state_type_in_a_connection_is_refused() -> None:
    message = refusal("connections", {"in": {"orders": {"connection_type": "delta_update"}}})
    assert "which belongs in state_models['in']" in message


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    message = refusal(
        "connections",
        {"out": {"orders": {"connection_type": "requester", "required_argument": {}}}},
    )
    assert message.endswith("did you mean 'required_arguments'?")


def test_state_arguments_have_no_place_in_a_connection() -> None:
    message = refusal(
        "connections",
        {"out": {"orders": {"connection_type": "requester", "required_state_arguments": {}}}},
    )
    assert "unknown key" in message


@pytest.mark.parametrize(
    "key", ["required_arguments", "optional_return_arguments", "required_creation_arguments"]
)
def test_arguments_of_the_wrong_shape_are_refused(key: str) -> None:
    message = refusal("connections", {"out": {"a": {"connection_type": "requester", key: [int]}}})
    assert f"['a'][{key!r}]: expected a dict, got list" in message


def test_a_field_with_a_name_that_is_no_text_is_refused() -> None:
    assert "['required_arguments']: expected the names of fields, got int 5" in state_refusal(
        required_arguments={5: int}
    )


def test_a_field_that_is_no_type_is_refused_with_its_place() -> None:
    message = state_refusal(required_arguments={"bids": 5})
    assert message.startswith("svc.py: state_models['out']['book']: field 'bids': expected a type")


def test_a_field_both_required_and_optional_is_refused() -> None:
    message = state_refusal(required_arguments={"a": int}, optional_state_arguments={"a": int})
    assert "the field 'a' once, got it in 'required_arguments' and 'optional_state" in message


def test_a_reply_field_both_required_and_optional_is_refused() -> None:
    model = {
        "connection_type": "requester",
        "required_return_arguments": {"a": int},
        "optional_return_arguments": {"a": int},
    }
    assert "the field 'a' once" in refusal("connections", {"out": {"x": model}})


def test_a_creation_argument_both_required_and_optional_is_refused() -> None:
    model = {
        "connection_type": "external_target",
        "required_creation_arguments": {"target": len},
        "optional_creation_arguments": {"func_to_call": len},
    }
    assert "'target' once" in refusal("connections", {"out": {"x": model}})


# Overrides


def publisher(**creation: Any) -> dict[str, Any]:
    return {"connection_type": "publisher", "optional_creation_arguments": creation}


def test_an_override_is_merged_over_the_models_own() -> None:
    raw = {"out": {"prices": publisher(topic="a", wait_after_creation_s=0)}}
    (model,) = build("connections", raw, {"prices": {"topic": "b"}})
    assert (model.creation["topic"], model.creation["wait_after_creation_s"]) == ("b", 0)


def test_an_override_may_bring_the_handler() -> None:
    raw = {"in": {"orders": {"connection_type": "replyer"}}}
    (model,) = build("connections", raw, {"orders": {"on_new": on_new}})
    assert model.handler is on_new


def test_an_override_replaces_the_other_spelling() -> None:
    raw = {
        "out": {
            "x": {
                "connection_type": "external_target",
                "required_creation_arguments": {"func_to_call": len},
            }
        }
    }
    (model,) = build("connections", raw, {"x": {"target": max}})
    assert model.creation["target"] is max


def both_sides() -> dict[str, Any]:
    sub = {"connection_type": "subscriber", "required_creation_arguments": {"on_new": on_new}}
    return {"in": {"prices": sub}, "out": {"prices": publisher()}}


def test_an_override_of_both_sides_goes_to_both_that_know_it() -> None:
    models = build("connections", both_sides(), {"prices": {"topic": "a"}})
    assert [model.creation["topic"] for model in models] == ["a", "a"]


def test_an_override_that_one_side_knows_goes_there() -> None:
    inbound, outbound = build("connections", both_sides(), {"prices": {"is_x_pub": True}})
    assert outbound.creation["is_x_pub"] is True
    assert "is_x_pub" not in inbound.creation


def test_an_override_that_no_side_knows_is_refused_with_the_hook() -> None:
    message = refusal("connections", both_sides(), {"prices": {"topik": "a"}})
    assert message.startswith("svc.py: setup_connections()['prices']['topik']")
    assert message.endswith("did you mean 'topic'?")


def test_an_override_for_a_name_that_no_model_has_is_refused() -> None:
    message = refusal("connections", both_sides(), {"price": {}})
    assert message.startswith("svc.py: setup_connections()['price']")
    assert message.endswith("did you mean 'prices'?")


def test_an_override_with_a_wrong_value_is_refused_with_the_hook() -> None:
    message = refusal("connections", both_sides(), {"prices": {"is_x_pub": 1}})
    assert message == (
        "svc.py: setup_connections()['prices']['is_x_pub']: expected True or False, got int 1"
    )


def test_a_wrong_model_is_a_model_error() -> None:
    with pytest.raises(ModelError):
        build("connections", {"in": {"orders": {}}})
