"""One table says what a scalar is; whoever does something with each scalar knows all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sf_actors.definition.config import scalar_texts
from sf_actors.replication.values.digest import digest_of
from sf_actors.replication.values.frozen import freeze
from sf_actors.schema.scalars import SCALARS
from sf_actors.schema.schema import Schema

#: A value of each scalar that travels as it is, and its text on the command line.
SAMPLES: dict[Any, tuple[Any, str]] = {
    type(None): (None, "null"),
    bool: (True, "true"),
    int: (-5, "-5"),
    float: (1.5, "1.5"),
    str: ("text", "text"),
    bytes: (b"text", "text"),
    Decimal: (Decimal("1.50"), "1.50"),
    UUID: (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    date: (date(2026, 1, 31), "2026-01-31"),
    timedelta: (timedelta(seconds=1.5), "PT1.5S"),
    datetime: (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
    time: (time(12, 30), "12:30:00"),
}


def test_every_scalar_has_a_sample_here() -> None:
    assert SAMPLES.keys() == SCALARS.keys()


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: str(kind.__name__))
def test_a_scalar_can_be_sent_kept_in_a_state_and_read_from_the_command_line(kind: Any) -> None:
    value, text = SAMPLES[kind]

    assert Schema({"it": kind}, {}, where="here").checked({"it": value}) == {"it": value}
    assert freeze(value) is value
    assert digest_of(freeze({"it": value}))
    assert scalar_texts.read(text, kind) == value


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: str(kind.__name__))
def test_what_is_said_of_one_value_of_a_scalar_is_said_of_many(kind: Any) -> None:
    scalar = SCALARS[kind]
    assert (scalar.all_pass is None) == (not scalar.test_source)
    if scalar.all_pass is not None:
        for value in (0, 2**64 - 1, 2**64, -(2**63) - 1) if kind is int else ("text", "é"):
            passes = eval(str(scalar.test_source).format(it=repr(value)))
            assert passes == scalar.all_pass([value])
