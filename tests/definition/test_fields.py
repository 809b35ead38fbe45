"""The fields of messages, those of states in particular: numbering, one field `state`, None."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sf_actors.definition.fields import Fields, read_fields
from sf_actors.definition.model_types import MODEL_TYPES
from sf_actors.errors import ModelError

NUMBERING = {"current_num": int, "is_snapshot": bool}


def fields(type_: str, **keys: Any) -> Fields:
    return read_fields(keys, MODEL_TYPES[type_], where="model")


def state(side: str, type_: str = "delta_update", **keys: Any) -> Fields:
    return fields(f"{type_}_{side}", **keys)


def state_refusal(side: str = "out", type_: str = "delta_update", **keys: Any) -> str:
    with pytest.raises(ModelError) as caught:
        state(side, type_, **keys)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["is_snapshot", "current_num"])
@pytest.mark.parametrize("type_", ["delta_update", "full_update"])
def test_a_state_that_numbers_itself_has_no_numbering_fields(name: str, type_: str) -> None:
    assert "numbers itself" in state_refusal("out", type_, required_arguments={name: int})


def test_optional_numbering_fields_are_refused_as_well() -> None:
    assert "numbers itself" in state_refusal(optional_state_arguments=dict(NUMBERING))


def test_a_connection_may_have_such_fields() -> None:
    assert set(fields("replyer", required_arguments=NUMBERING).arguments.required) == set(NUMBERING)


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_delta_state_with_the_numbering_is_numbered_by_its_caller(side: str) -> None:
    model = state(
        side,
        required_state_arguments={**NUMBERING, "venue": str},
        required_arguments={"bids": {Decimal: Decimal}},
    )
    assert model.numbered_by_caller
    assert set(model.arguments.required) == {"venue", "bids"}


def test_other_states_number_themselves() -> None:
    assert not state("out", required_arguments={"bids": int}).numbered_by_caller


def test_half_a_numbering_is_refused() -> None:
    assert "together" in state_refusal(required_state_arguments={"current_num": int})


def test_a_numbering_of_other_types_is_refused() -> None:
    wrong = {"current_num": float, "is_snapshot": bool}
    assert "together" in state_refusal(required_state_arguments=wrong)


def test_a_numbering_given_twice_is_refused() -> None:
    message = state_refusal(
        required_state_arguments=dict(NUMBERING), required_arguments={"current_num": int}
    )
    assert "the caller's numbering has it already" in message


@pytest.mark.parametrize("type_", [dict, {str: int}, {"bid": int}])
def test_the_one_field_state_is_the_value(type_: object) -> None:
    assert state("out", required_arguments={"state": type_}).single_state


def test_the_one_field_state_is_the_value_of_a_state_numbered_by_its_caller() -> None:
    model = state(
        "in", required_state_arguments=dict(NUMBERING), required_arguments={"state": dict}
    )
    assert (model.numbered_by_caller, model.single_state) == (True, True)


def test_a_field_state_beside_others_is_a_field() -> None:
    assert not state("out", required_arguments={"state": dict, "at": int}).single_state


def test_a_full_update_has_no_single_state() -> None:
    assert not state("out", "full_update", required_arguments={"state": int}).single_state


@pytest.mark.parametrize("type_", [int, [dict], object])
def test_the_one_field_state_must_be_a_mapping(type_: object) -> None:
    assert "expected a mapping as the type of the one field 'state'" in state_refusal(
        required_arguments={"state": type_}
    )


@pytest.mark.parametrize("type_", [int | None, {str: int | None}, {"a": int | None}])
def test_none_is_no_type_of_a_deltas_field(type_: object) -> None:
    assert "field 'bids'" in state_refusal(optional_arguments={"bids": type_})


def test_none_is_fine_in_a_full_update() -> None:
    assert (
        "bids"
        in state("out", "full_update", required_arguments={"bids": int | None}).arguments.required
    )
