"""A state's shape for the tests, values and patches of it, and RFC 7396 over plain dicts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sf_actors.schema.shape import Leaf, Open, Record, Table

SHAPE = Record(
    required={"price": Leaf(), "book": Table(Leaf())},
    optional={
        "note": Leaf(),
        "extra": Open(),
        "owner": Record(required={"name": Leaf()}, optional={"age": Leaf()}),
        "desks": Table(Record(required={"head": Leaf()}, optional={"size": Leaf()})),
    },
)


def plain_merge(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, as it stands there, without touching the target."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = plain_merge(merged.get(name), value)
    return merged


_leaves = st.integers(0, 9) | st.lists(st.integers(0, 3), max_size=2)
_keys = st.sampled_from("abcd")
_open = st.recursive(
    st.none() | _leaves, lambda inner: st.dictionaries(_keys, inner, max_size=2), max_leaves=4
)


def _fields(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


_owner = _fields({"name": _leaves}, {"age": _leaves})
_desk = _fields({"head": _leaves}, {"size": _leaves})
wholes = _fields(
    {"price": _leaves, "book": st.dictionaries(_keys, _leaves, max_size=4)},
    {
        "note": _leaves,
        "extra": st.dictionaries(_keys, _leaves, max_size=2),
        "owner": _owner,
        "desks": st.dictionaries(_keys, _desk, max_size=2),
    },
)
_owner_patch = _fields({}, {"name": _leaves, "age": st.none() | _leaves})
_desk_patch = _fields({}, {"head": _leaves, "size": st.none() | _leaves})
patches = _fields(
    {},
    {
        "price": _leaves,
        "book": st.dictionaries(_keys, st.none() | _leaves, max_size=3),
        "note": st.none() | _leaves,
        "extra": _open,
        "owner": st.none() | _owner | _owner_patch,
        "desks": st.dictionaries(_keys, st.none() | _desk | _desk_patch, max_size=2),
    },
)
