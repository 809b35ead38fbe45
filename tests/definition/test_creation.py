"""Creation arguments: the table, its defaults and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sf_actors.definition.creation import checked, named, takes
from sf_actors.definition.model_types import MODEL_TYPES
from sf_actors.errors import ModelError


def handler(args: Any) -> None: ...


def create(type_: str, **given: Any) -> dict[str, Any]:
    if type_ in ("replyer", "subscriber"):
        given.setdefault("on_new_message", handler)
    if type_ == "external_target" and "func_to_call" not in given:
        given.setdefault("target", len)
    arguments = named(given, where="args")
    return checked(MODEL_TYPES[type_], arguments, globals(), where="model")[0]


def handler_of(type_: str, **given: Any) -> Any:
    return checked(MODEL_TYPES[type_], named(given, where="args"), {}, where="model")[1]


def refusal(type_: str, **given: Any) -> str:
    with pytest.raises(ModelError) as caught:
        create(type_, **given)
    message = str(caught.value)
    assert "\n" not in message
    return message


SOCKETS = {
    "unknown_fields": "ignore",
    "high_water_mark": 1000,
    "max_message_bytes": 64 * 1024 * 1024,
}
WORKERS = {"workers": 0, "ordered_by": None}
STATE = {"topic": None, "heartbeat_s": 1.0, "stale_after_s": 3.0, **SOCKETS}

KEPT = {"store": None, **STATE}


@pytest.mark.parametrize(
    ("type_", "defaults"),
    [
        ("replyer", {"deduplicate": False, "catch_up_s": 1.0, **WORKERS, **SOCKETS}),
        (
            "subscriber",
            {"topic": None, "is_x_sub": False, "is_binder": False, **WORKERS, **SOCKETS},
        ),
        (
            "requester",
            {
                "timeout_s": 5.0,
                "retries": 0,
                "by": None,
                "idempotent": False,
                "catch_up_s": 1.0,
                **SOCKETS,
            },
        ),
        ("publisher", {"topic": None, "is_x_pub": False, "wait_after_creation_s": 0.15, **SOCKETS}),
        ("external_target", {"timeout_s": None, "target": len}),
        ("delta_update_in", {"is_x_sub": False, "on_status": None, **STATE}),
        ("full_update_in", {"is_x_sub": False, "is_binder": False, "on_status": None, **STATE}),
        (
            "delta_update_out",
            {"is_x_pub": False, "wait_after_creation_s": 0, "digest": False, **KEPT},
        ),
        ("full_update_out", {"is_x_pub": False, "wait_after_creation_s": 0, **KEPT}),
    ],
)
def test_a_type_has_exactly_its_arguments_with_their_defaults(
    type_: str, defaults: dict[str, Any]
) -> None:
    assert create(type_) == defaults


def test_what_is_given_replaces_the_default() -> None:
    assert create("requester", timeout_s=1)["timeout_s"] == 1


def test_an_unknown_argument_is_refused_with_the_nearest() -> None:
    assert refusal("subscriber", is_bindr=True).endswith("did you mean 'is_binder'?")


def test_an_argument_of_another_type_is_refused() -> None:
    message = refusal("publisher", is_binder=True)
    assert "a publisher has no creation argument 'is_binder'" in message
    assert "subscriber, full_update_in" in message


def test_the_message_says_where_what_and_what_came() -> None:
    assert refusal("requester", retries="3") == (
        "args['retries']: expected a whole number from 0 to 2**31 - 1, got str '3'"
    )


@pytest.mark.parametrize(
    ("type_", "name", "value"),
    [
        ("publisher", "topic", b"prices"),
        ("publisher", "topic", "\ud800"),
        ("publisher", "is_x_pub", 1),
        ("publisher", "wait_after_creation_s", -0.1),
        ("publisher", "wait_after_creation_s", True),
        ("publisher", "wait_after_creation_s", None),
        ("requester", "timeout_s", 0),
        ("requester", "timeout_s", -1),
        ("requester", "timeout_s", None),
        ("requester", "timeout_s", math.nan),
        ("requester", "timeout_s", math.inf),
        ("requester", "timeout_s", "5"),
        pytest.param("requester", "timeout_s", 10**400, id="huge"),
        ("requester", "retries", -1),
        # the time of the whole call would be no float
        ("requester", "retries", 10**400),
        ("requester", "retries", 1.0),
        ("requester", "retries", True),
        ("replyer", "deduplicate", "yes"),
        ("replyer", "high_water_mark", 0),
        ("replyer", "high_water_mark", 2**31),
        ("replyer", "max_message_bytes", 0),
        ("delta_update_out", "digest", 0),
        ("delta_update_in", "heartbeat_s", 0),
        ("delta_update_in", "stale_after_s", -3.0),
        ("delta_update_in", "on_status", "log_it"),
        ("external_target", "target", 5),
    ],
)
def test_a_value_that_cannot_be_is_refused(type_: str, name: str, value: object) -> None:
    assert f"args[{name!r}]" in refusal(type_, **{name: value})


def test_none_stands_for_a_default_of_none() -> None:
    assert create("publisher", topic=None)["topic"] is None


def test_is_binder_with_is_x_sub_is_refused() -> None:
    assert "got both" in refusal("subscriber", is_binder=True, is_x_sub=True)


def test_is_binder_false_with_is_x_sub_is_fine() -> None:
    assert create("subscriber", is_binder=False, is_x_sub=True)["is_x_sub"] is True


def test_the_handler_is_the_callable_under_a_free_key() -> None:
    assert handler_of("replyer", on_new_cancel_order=handler) is handler


def test_two_handlers_are_refused() -> None:
    message = refusal("replyer", on_new_message=handler, on_new_order=handler)
    assert "'on_new_message', 'on_new_order'" in message


def test_a_mistyped_on_status_beside_a_handler_is_hinted_at() -> None:
    message = refusal("delta_update_in", on_change=handler, on_staus=handler)
    assert message.endswith("did you mean 'on_status'?")


def test_something_else_under_a_free_key_is_no_handler() -> None:
    assert "a handler would be a function, got str" in refusal("replyer", on_new_order="on_new")


@pytest.mark.parametrize("type_", ["replyer", "subscriber"])
def test_a_handler_is_required(type_: str) -> None:
    with pytest.raises(ModelError, match="needs a handler"):
        handler_of(type_)


def test_an_in_state_may_do_without_a_handler() -> None:
    assert handler_of("delta_update_in") is None


def test_on_status_is_not_the_handler() -> None:
    assert handler_of("delta_update_in", on_status=handler) is None


def test_an_outbound_model_has_no_handler() -> None:
    assert "an outbound model no handler" in refusal("publisher", on_new_message=handler)


def test_a_function_under_a_key_of_the_table_is_no_handler() -> None:
    assert "has no creation argument 'target'" in refusal("replyer", target=handler)


def test_func_to_call_is_the_target() -> None:
    assert create("external_target", func_to_call=len)["target"] is len


def test_target_and_func_to_call_together_are_refused() -> None:
    assert "got both" in refusal("external_target", target=len, func_to_call=len)


def test_a_target_is_required() -> None:
    with pytest.raises(ModelError, match="'target' is missing"):
        checked(MODEL_TYPES["external_target"], {}, {}, where="model")


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ModelError, match="by name, got int 5"):
        named({5: 1}, where="args")


def test_a_type_takes_what_the_table_gives_it() -> None:
    assert takes(MODEL_TYPES["publisher"], "is_x_pub", value=True)
    assert not takes(MODEL_TYPES["requester"], "is_x_pub", value=True)


def test_an_inbound_type_takes_a_function_as_its_handler() -> None:
    assert takes(MODEL_TYPES["replyer"], "on_new_order", handler)
    assert not takes(MODEL_TYPES["requester"], "on_new_order", handler)
