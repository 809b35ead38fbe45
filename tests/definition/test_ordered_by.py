"""`ordered_by`: a required field whose values can be told to be equal, of a model with workers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from sf_actors.definition.models import build_models
from sf_actors.errors import ModelError


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Row:
    n: int


def built(declared: Any, **creation: Any) -> Any:
    """Build a replyer with the required field `key` of this type, and return the arguments."""
    model = {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new": lambda args: None},
        "optional_creation_arguments": creation,
        "required_arguments": {"key": declared},
        "optional_arguments": {"note": str},
    }
    raw = {"in": {"orders": model}}
    (made,) = build_models("connections", raw, names={}, where="svc.py: connection_models")
    return made.creation


def refusal(declared: Any, **creation: Any) -> str:
    with pytest.raises(ModelError) as caught:
        built(declared, **creation)
    return str(caught.value)


@pytest.mark.parametrize(
    "declared",
    [
        *(int, str, bytes, float, Decimal, datetime, Colour, Literal["a", 1], int | None),
        *(Annotated[int, Meta(ge=0)], (int, str), tuple[int, ...], frozenset[int]),
    ],
)
def test_values_that_have_a_hash_can_be_kept_in_order(declared: Any) -> None:
    assert built(declared, workers=2, ordered_by="key")["ordered_by"] == "key"


@pytest.mark.parametrize(
    "declared",
    [object, list, dict, tuple, frozenset, [int], {int}, {str: int}, {"a": int}, Row, (int, [int])],
)
def test_values_that_need_have_no_hash_cannot(declared: Any) -> None:
    assert "whose values can be told to be equal, got 'key'" in refusal(
        declared, workers=2, ordered_by="key"
    )


def test_a_field_that_is_not_there_is_refused_with_the_nearest() -> None:
    assert refusal(int, workers=2, ordered_by="kei") == (
        "svc.py: connection_models['in']['orders']['optional_creation_arguments']['ordered_by']: "
        "expected a required field, got 'kei'; did you mean 'key'?"
    )


def test_a_field_that_may_lack_is_refused() -> None:
    assert "expected a required field, got 'note'" in refusal(int, workers=2, ordered_by="note")


@pytest.mark.parametrize("workers", [{}, {"workers": 0}])
def test_without_workers_there_is_nothing_to_order(workers: dict[str, int]) -> None:
    assert "expected 'workers' as well" in refusal(int, ordered_by="key", **workers)


@pytest.mark.parametrize("value", [True, -1, 257, 2.0, "2", None])
def test_workers_are_a_number_of_threads(value: object) -> None:
    assert "expected a whole number from 0 to 256" in refusal(int, workers=value)


def test_a_mistyped_name_is_told_the_nearest() -> None:
    assert "did you mean 'workers'?" in refusal(int, worker=2)
    assert "did you mean 'ordered_by'?" in refusal(int, workers=2, order_by="key")
