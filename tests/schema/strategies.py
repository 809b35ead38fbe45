"""Types as models declare them, with values that fit, for the properties."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from hypothesis import strategies as st

Typed = tuple[Any, st.SearchStrategy[Any]]


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


INTS = st.integers(-(2**63), 2**64 - 1)
TEXTS = st.text()
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES)
FLOATS = st.floats(allow_nan=False)
DECIMALS = st.decimals(allow_nan=False)

KEYS: list[Typed] = [
    (int, INTS),
    (float, FLOATS | st.integers(-(2**53), 2**53)),
    (str, TEXTS),
    (bytes, st.binary()),
    (bool, st.booleans()),
    (Decimal, DECIMALS),
    (UUID, st.uuids()),
    (datetime, st.datetimes() | AWARE),
    (date, st.dates()),
    (time, st.times() | st.times(timezones=ZONES)),
    (timedelta, st.timedeltas()),
    (Side, st.sampled_from(Side)),
    (Level, st.sampled_from(Level)),
    (Literal["buy", 1], st.sampled_from(["buy", 1])),
    (int | str | None, INTS | TEXTS | st.none()),
    ((int, str), st.tuples(INTS, TEXTS)),
]
OPEN_KEYS = INTS | FLOATS | TEXTS | st.binary() | st.booleans() | st.none()
OPEN = st.recursive(
    OPEN_KEYS | AWARE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(OPEN_KEYS, inner, max_size=4),
    max_leaves=12,
)
LEAVES: list[Typed] = [
    *KEYS,
    (object, OPEN),
    (dict, st.dictionaries(OPEN_KEYS, OPEN, max_size=4)),
    (list, st.lists(OPEN, max_size=4)),
]


def _containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    keys = st.sampled_from(KEYS)
    lists = inner.map(lambda of: ([of[0]], st.lists(of[1], max_size=4)))
    rows = inner.map(
        lambda of: (tuple.__class_getitem__((of[0], ...)), st.lists(of[1], max_size=4).map(tuple))
    )
    pairs = st.tuples(inner, inner).map(
        lambda of: ((of[0][0], of[1][0]), st.tuples(of[0][1], of[1][1]))
    )
    sets = keys.map(lambda of: ({of[0]}, st.sets(of[1], max_size=4)))
    tables = st.tuples(keys, inner).map(
        lambda of: ({of[0][0]: of[1][0]}, st.dictionaries(of[0][1], of[1][1], max_size=4))
    )
    records = st.dictionaries(st.sampled_from(["a", "b-c", "é"]), inner, min_size=1).map(
        lambda of: (
            {name: typed[0] for name, typed in of.items()},
            st.fixed_dictionaries({name: typed[1] for name, typed in of.items()}),
        )
    )
    return lists | rows | pairs | sets | tables | records


TYPED: st.SearchStrategy[Typed] = st.recursive(st.sampled_from(LEAVES), _containers, max_leaves=4)
"""A type in the notation of models, and a strategy of values that may be sent for it."""


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of the same types at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            any(same(key, name) and same(value, other[name]) for name in other if name == key)
            for key, value in one.items()
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (set, frozenset)):
        return one == other and {(type(item), item) for item in one} == {
            (type(item), item) for item in other
        }
    if isinstance(one, Decimal):
        return one.compare_total(other) == 0
    if isinstance(one, datetime) and one.tzinfo is not None:
        return one == other and other.tzinfo is UTC
    return bool(one == other)
