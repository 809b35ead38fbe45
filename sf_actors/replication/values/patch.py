"""Merge patches (RFC 7396) over frozen values, within the shape of a state's fields.

A patch is a mapping: mappings in it merge, None deletes, anything else replaces, arrays whole.
The cost of a merge depends on the patch, not on the value. The old value is never touched, so a
merge that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.frozen import freeze
from sf_actors.replication.values.persistent_map import EMPTY, Map, map_of
from sf_actors.replication.values.pieces import shape_within
from sf_actors.schema.bounds import described, is_within
from sf_actors.schema.collisions import ChosenKeys
from sf_actors.schema.scalars import SCALARS
from sf_actors.schema.shape import Either, Leaf, Open, Record, Table, as_mapping
from sf_actors.wording import cut, named, nearest, shown

if TYPE_CHECKING:
    from sf_actors.schema.shape import Bounds, Shape


class PatchRefused(ValueError):
    """A patch or a whole value does not fit the shape; the text names the path of the field."""

    def __init__(self, problem: str, *path: object) -> None:
        super().__init__(problem, *path)
        self.problem = problem
        self.path = path

    def under(self, key: object) -> PatchRefused:
        """Return the same error with the path extended by the enclosing key."""
        return PatchRefused(self.problem, key, *self.path)

    def __str__(self) -> str:
        if not self.path:
            return self.problem
        return f"field '{cut('.'.join(map(named, self.path)), 200)}': {self.problem}"


def merge(
    value: Map[str, Any], patch: Mapping[str, Any], shape: Record, *, is_strict: bool = False
) -> Map[str, Any]:
    """Return the value with a patch applied. HOT.

    The result has the shape, except that required fields of the state itself may be absent: deltas
    may build up a value from nothing.

    :param is_strict: as in `merge_open`
    :raises PatchRefused: the patch deletes a required field, adds an incomplete record, has an
        unknown field, has something else in place of a mapping, leaves a mapping out of its
        bounds, or gives too many keys of a mapping the same hash
    """
    try:
        if len(patch) == 1:
            [(name, change)] = patch.items()
            if name in shape.tables and type(change) is dict and len(change) == 1:
                # the usual delta: one item of one table
                [(key, item)] = change.items()
                held = value.get(name)
                if type(held) is not Map:
                    held = EMPTY
                if item is None:
                    return value.set(name, held.without(key))
                frozen = item if type(item) in SCALARS else freeze(item)
                return value.set(name, held.set(key, frozen))
        return _merge_record(value, patch, shape, is_strict)
    except ChosenKeys as chosen:
        raise PatchRefused(str(chosen)) from None


def merge_open(value: Any, patch: Any, is_strict: bool = False) -> Any:
    """Return a frozen value with a patch applied, without a shape (RFC 7396, section 2).

    :param is_strict: refuse None in a mapping that does not exist yet; RFC 7396 leaves it out, so
        that a value with None would silently become one without it
    :raises PatchRefused: see `is_strict`
    """
    if not isinstance(patch, Mapping):
        return freeze(patch)
    is_new = type(value) is not Map
    held = EMPTY if is_new else value
    changes: dict[Any, Any] = {}
    gone: list[Any] = []
    for key, change in patch.items():
        if change is None:
            if is_new and is_strict:
                raise PatchRefused("None deletes, and there is no such mapping yet", key)
            gone.append(key)
        elif isinstance(change, Mapping):
            try:
                changes[key] = merge_open(held.get(key), change, is_strict)
            except PatchRefused as refusal:
                raise refusal.under(key) from None
        else:
            changes[key] = freeze(change)
    return held.updated(changes, gone)


def with_part(value: Map[Any, Any], part: Mapping[Any, Any]) -> Map[Any, Any]:
    """Return a frozen value with another part added; None is a value like any other.

    :param part: new items, within mappings that may exist already
    :raises PatchRefused: too many keys of a mapping have the same hash
    """
    try:
        return _with_part(value, part)
    except ChosenKeys as chosen:
        raise PatchRefused(str(chosen)) from None


def _with_part(value: Map[Any, Any], part: Mapping[Any, Any]) -> Map[Any, Any]:
    changes: dict[Any, Any] = {}
    for key, item in part.items():
        if type(item) in SCALARS:
            changes[key] = item
            continue
        held = value.get(key)
        is_inside = type(held) is Map and isinstance(item, Mapping)
        changes[key] = _with_part(held, item) if is_inside else freeze(item)
    return value.updated(changes)


def snapshot(value: Mapping[str, Any], shape: Record, *, partial: bool = False) -> Map[str, Any]:
    """Return a whole value frozen; None is a value like any other.

    :param value: a frozen one is returned as it is, unchecked
    :param partial: required fields of the state itself may be absent, since deltas may still be
        building up the value
    :raises PatchRefused: the value does not have the shape
    """
    given: Any = value
    if type(given) is Map:
        return given
    try:
        return _whole_record(value, shape, partial=partial)
    except ChosenKeys as chosen:
        raise PatchRefused(str(chosen)) from None


def _merge_record(
    value: Map[str, Any], patch: Mapping[str, Any], shape: Record, is_strict: bool
) -> Map[str, Any]:
    required, optional = shape.required, shape.optional
    changes: dict[str, Any] = {}
    gone: list[str] = []
    for name, change in patch.items():
        kind = required.get(name)
        if kind is None:
            kind = optional.get(name)
            if kind is None:
                raise _unknown(name, shape)
            if change is None:
                gone.append(name)
                continue
        elif change is None:
            raise PatchRefused("is required and cannot be deleted", name)
        if type(kind) is Leaf:
            changes[name] = freeze(change)
        else:
            try:
                changes[name] = _merge_within(value.get(name), change, kind, is_strict)
            except PatchRefused as refusal:
                raise refusal.under(name) from None
    return value.updated(changes, gone)


def _merge_table(
    value: Map[Any, Any], patch: Mapping[Any, Any], kind: Shape, is_strict: bool
) -> Map[Any, Any]:
    changes: dict[Any, Any] = {}
    gone: list[Any] = []
    for key, change in patch.items():
        if change is None:
            gone.append(key)
        elif type(kind) is Leaf:
            changes[key] = freeze(change)
        else:
            try:
                changes[key] = _merge_within(value.get(key), change, kind, is_strict)
            except PatchRefused as refusal:
                raise refusal.under(key) from None
    return value.updated(changes, gone)


def _merge_within(value: Any, change: Any, kind: Shape, is_strict: bool) -> Any:
    held = value if type(value) is Map else None
    if type(kind) is Table:
        patch = change if type(change) is dict else _mapping(change)
        merged = _merge_table(EMPTY if held is None else held, patch, kind.value, is_strict)
        return _bounded(merged, kind.bounds) if kind.bounds else merged
    if type(kind) is Record:
        if held is None:
            return _complete(_merge_record(EMPTY, _mapping(change), kind, is_strict), kind)
        return _merge_record(held, _mapping(change), kind, is_strict)
    if type(kind) is Open:
        return _bounded(merge_open(value, change, is_strict), kind.bounds)
    if type(kind) is Either and isinstance(change, Mapping):
        return _merge_within(value, change, kind.mapping, is_strict)
    return freeze(change)


def _bounded(value: Any, bounds: Bounds) -> Any:
    if bounds and type(value) is Map and not is_within(value, bounds):
        raise PatchRefused(f"expected a mapping of {described(bounds)}, got one of {len(value)}")
    return value


def require_within_bounds(value: Any, shape: Shape) -> None:
    """Refuse a frozen value, put together from parts, with a mapping that is out of its bounds.

    :raises PatchRefused: there is one
    """
    shape = as_mapping(shape)
    if isinstance(shape, Leaf) or not shape.is_bounded or type(value) is not Map:
        return
    if not isinstance(shape, Record):
        _bounded(value, shape.bounds)
    if isinstance(shape, Open):
        return
    for key, item in value.items():
        try:
            require_within_bounds(item, shape_within(shape, key) or Leaf())
        except PatchRefused as refusal:
            raise refusal.under(key) from None


def _whole_record(value: Mapping[str, Any], shape: Record, *, partial: bool) -> Map[str, Any]:
    fields: dict[str, Any] = {}
    for name, item in _mapping(value).items():
        kind = shape.required.get(name) or shape.optional.get(name)
        if kind is None:
            raise _unknown(name, shape)
        try:
            fields[name] = _whole(item, kind)
        except PatchRefused as refusal:
            raise refusal.under(name) from None
    whole = map_of(fields)
    return whole if partial else _complete(whole, shape)


def _whole(value: Any, kind: Shape) -> Any:
    match kind:
        case Record():
            return _whole_record(value, kind, partial=False)
        case Table(value=Leaf() | Open()):
            return freeze(_mapping(value))
        case Table():
            items: dict[Any, Any] = {}
            for key, item in _mapping(value).items():
                try:
                    items[key] = _whole(item, kind.value)
                except PatchRefused as refusal:
                    raise refusal.under(key) from None
            return map_of(items)
        case Either():
            return _whole(value, kind.mapping) if isinstance(value, Mapping) else freeze(value)
        case Leaf() | Open():
            return freeze(value)


def _mapping(value: Any) -> Mapping[Any, Any]:
    if type(value) is dict or isinstance(value, Mapping):
        return value
    raise PatchRefused(f"expected a mapping, got {shown(value)}")


def _complete(value: Map[str, Any], shape: Record) -> Map[str, Any]:
    for name in shape.required:
        if name not in value:
            raise PatchRefused("is required, and the record is not there yet", name)
    return value


def _unknown(name: object, shape: Record) -> PatchRefused:
    return PatchRefused(f"is unknown{nearest(name, [*shape.required, *shape.optional])}", name)
