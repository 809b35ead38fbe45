"""What is said to be taken is taken: by the receivers' own decoders, of any value."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sf_actors.schema.compatibility import incompatibilities
from sf_actors.schema.json_schema import node_of, schema_of_fields
from sf_actors.schema.schema import Schema
from sf_actors.schema.types import canonical
from sf_actors.wire.envelope import encode_into
from tests.schema.strategies import LEAVES, TYPED, Typed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

#: What is put around the types of both sides.
AROUND: dict[str, Callable[[Any], Any]] = {
    "bare": lambda of: of,
    "list": lambda of: [of],
    "pair": lambda of: (of, int),
    "table": lambda of: {str: of},
    "record": lambda of: {"a": of},
    "optional": lambda of: canonical(of, where="test") | None,
}


def of_field(declared: Any) -> Schema:
    return Schema({"x": declared}, {}, where="test")


def packed(fields: dict[str, Any]) -> bytes:
    buffer = bytearray()
    encode_into(fields, buffer)
    return bytes(buffer)


def is_taken(receiver: Any, sender: Any) -> bool:
    nodes = [schema_of_fields({"x": canonical(of, where="test")}, {}) for of in (receiver, sender)]
    return not list(incompatibilities(*nodes))


@given(TYPED)
def test_every_type_is_taken_by_itself(typed: Typed) -> None:
    node = node_of(canonical(typed[0], where="test"))

    assert not [one for one in incompatibilities(node, node) if one.is_certain]


@given(st.data())
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_what_is_taken_can_be_decoded(data: st.DataObject) -> None:
    sender, values = data.draw(st.sampled_from(LEAVES))
    receiver, _ = data.draw(st.sampled_from(LEAVES))
    around = AROUND[data.draw(st.sampled_from(sorted(AROUND)))]
    assume(is_taken(around(receiver), around(sender)))
    value = data.draw(values)
    # with a zone it is a timestamp, which the contract lets pass for a text all the same
    has_zone = isinstance(value, datetime) and value.tzinfo is not None
    assume(not has_zone or receiver in (datetime, object))
    whole: Any = {
        "list": [value],
        "pair": (value, 1),
        "table": {"k": value},
        "record": {"a": value},
    }
    name = next(name for name, one in AROUND.items() if one is around)
    sent = of_field(around(sender)).checked({"x": whole.get(name, value)})

    of_field(around(receiver)).decoded(msgspec.Raw(packed(sent)))
