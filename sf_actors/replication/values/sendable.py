"""Refuses items of an update that no later update could delete, or tell from a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from operator import ne
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from sf_actors.replication.values.patch import PatchRefused
from sf_actors.schema.shape import Leaf, Open, Record, Table, as_mapping
from sf_actors.schema.types import members_of

if TYPE_CHECKING:
    from sf_actors.schema.shape import Shape

_INSIDE: Final = Open()

#: Types of keys that may be NaN or contain it.
_MADE_OF_PARTS: Final = frozenset({tuple, frozenset})
_MAY_BE_NAN: Final = frozenset({float, Decimal}) | _MADE_OF_PARTS


def require_sendable(fields: Mapping[Any, Any], shape: Shape, *, is_whole: bool) -> None:
    """Refuse NaN as a key, and in a whole value None as the value of a key in an undeclared place.

    NaN equals no key, itself included, so that it can neither be replaced nor deleted. None means
    that a key is gone. Inside a list it is a value, since lists are replaced whole.

    :param is_whole: the fields are a whole value, not a patch
    :raises PatchRefused: there is such an item
    """
    require_no_nan_keys(fields)
    shape = as_mapping(shape)
    is_table = not isinstance(shape, Record)
    for key, item in fields.items():
        kind = as_mapping(_within(shape, key))
        if type(kind) is Leaf:
            continue
        if item is None:
            if is_whole and is_table:
                raise PatchRefused("None is not a value here: it means that the key is gone", key)
        elif isinstance(item, Mapping):
            try:
                if type(kind) is Table and type(kind.value) is Leaf:
                    require_no_nan_keys(item)
                else:
                    require_sendable(item, kind, is_whole=is_whole)
            except PatchRefused as refusal:
                raise refusal.under(key) from None


def require_no_nan_keys(mapping: Mapping[Any, Any]) -> None:
    """Refuse NaN as a key of this mapping itself; at the speed of C for many keys.

    :raises PatchRefused: there is such an item
    """
    kinds = set(map(type, mapping))
    if kinds.isdisjoint(_MAY_BE_NAN):
        return
    if any(map(ne, mapping, mapping)) or (kinds & _MADE_OF_PARTS and any(map(_has_nan, mapping))):
        raise PatchRefused("NaN cannot be a key: it equals no key, so nothing could delete it")


def may_have_nan_keys(type_: Any) -> bool:
    """Return True if a flat field of this canonical type may be a mapping with NaN as a key."""
    return get_origin(type_) is dict and not _MAY_BE_NAN.isdisjoint(members_of(get_args(type_)[0]))


def _has_nan(key: Any) -> bool:
    # a tuple or frozenset equals itself whatever it contains
    is_made_of_parts = type(key) in _MADE_OF_PARTS
    return any(map(_has_nan, key)) if is_made_of_parts else bool(key != key)  # noqa: PLR0124


def _within(shape: Shape, key: Any) -> Shape:
    if type(shape) is Record:
        return shape.required.get(key) or shape.optional.get(key) or _INSIDE
    return shape.value if type(shape) is Table else _INSIDE
