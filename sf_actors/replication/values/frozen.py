"""Persistent, deeply frozen values, and the read-only mapping through which users see them.

A frozen value shares structure with the one it was made from, so that the cost of a change depends
on the change and not on the value. Any thread may keep it. Mappings become `Map` (a large one
iterates in order of hashes, not of insertion), lists `FrozenList`, sets `FrozenSet`; frozensets and
scalars stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sf_actors.replication.values.persistent_map import Map, map_of
from sf_actors.schema.scalars import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable


class FrozenList(tuple[Any, ...]):
    """An immutable list; it equals only another `FrozenList`, never a tuple."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is FrozenList and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)


class FrozenSet(frozenset[Any]):
    """An immutable set, which is a set again when thawed; it equals a frozenset too."""

    __slots__ = ()


class View(Mapping[Any, Any]):
    """A read-only mapping over a frozen one, made in O(1) for any size.

    It compares equal to a plain dict of equal content, in both directions and at every depth.
    A mapping inside is returned as a `View`, a list or a set as a fresh copy, so that no change to
    them reaches the value. Copying, deep copying and pickling make plain dicts. Usable from any
    thread. It does not iterate in order of insertion.
    """

    __slots__ = ("_map",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, frozen: Map[Any, Any]) -> None:
        self._map = frozen

    def __getitem__(self, key: Any) -> Any:
        return viewed(self._map[key])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        found = self._map.get(key, _ABSENT)
        return default if found is _ABSENT else viewed(found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return _same(self._map, other)

    def __repr__(self) -> str:
        return repr(thaw(self._map))

    def __plain__(self) -> dict[Any, Any]:
        """Return a plain dict, fresh at every depth; it is sent in place of the view."""
        plain: dict[Any, Any] = thaw(self._map)
        return plain

    def __frozen__(self) -> Map[Any, Any]:
        """Return the frozen mapping underneath, so that freezing a view is free."""
        return self._map

    def __copy__(self) -> dict[Any, Any]:
        return self.__plain__()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return self.__plain__()

    def __reduce__(self) -> tuple[type[dict[Any, Any]], tuple[dict[Any, Any]]]:
        return dict, (self.__plain__(),)


def freeze(value: Any) -> Any:
    """Return the value deeply frozen; a frozen one is returned as it is.

    HOT. Any thread. Anything but the containers above counts as a scalar.
    """
    kind = type(value)
    if kind in SCALARS:
        return value
    freezer = _FREEZERS.get(kind)
    return freezer(value) if freezer is not None else _freeze_foreign(value)


def thaw(frozen: Any) -> Any:
    """Return a frozen value as a plain one, fresh at every depth."""
    kind = type(frozen)
    if kind in SCALARS:
        return frozen
    thawer = _THAWERS.get(kind)
    return thawer(frozen) if thawer is not None else frozen


def viewed(frozen: Any) -> Any:
    """Return what a user sees of a frozen value: a `View`, a fresh list or set, or the scalar."""
    return View(frozen) if type(frozen) is Map else thaw(frozen)


def same(frozen: Any, other: Any) -> bool:
    """Return True if a frozen value equals a plain or frozen one, compared as plain values."""
    return _same(frozen, other)


_ABSENT = object()


def _freeze_mapping(value: Mapping[Any, Any]) -> Map[Any, Any]:
    return map_of({key: freeze(item) for key, item in value.items()})


def _freeze_tuple(value: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([freeze(item) for item in value])


def _freeze_foreign(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _freeze_mapping(value)
    if isinstance(value, list):
        return FrozenList([freeze(item) for item in value])
    if isinstance(value, set):
        return FrozenSet(value)
    return value


def _itself(value: Any) -> Any:
    return value


_FREEZERS: dict[type, Callable[[Any], Any]] = {
    dict: _freeze_mapping,
    list: lambda value: FrozenList([freeze(item) for item in value]),
    tuple: _freeze_tuple,
    set: FrozenSet,
    FrozenSet: _itself,
    frozenset: _itself,
    Map: _itself,
    FrozenList: _itself,
    View: View.__frozen__,
}

_THAWERS: dict[type, Callable[[Any], Any]] = {
    Map: lambda frozen: {key: thaw(item) for key, item in frozen.items()},
    FrozenList: lambda frozen: [thaw(item) for item in frozen],
    tuple: lambda frozen: tuple([thaw(item) for item in frozen]),
    FrozenSet: set,
}


def _same(frozen: Any, other: Any) -> bool:
    if frozen is other:
        return True
    kind = type(frozen)
    if kind is Map:
        if type(other) is View:
            other = other.__frozen__()
        if not isinstance(other, Mapping) or len(frozen) != len(other):
            return False
        for key, item in frozen.items():
            against = other.get(key, _ABSENT)
            if against is _ABSENT or not _same(item, against):
                return False
        return True
    if kind is FrozenList:
        return isinstance(other, list | FrozenList) and _same_items(frozen, other)
    if kind is tuple:
        return (
            type(other) is not FrozenList
            and isinstance(other, tuple)
            and _same_items(frozen, other)
        )
    return bool(frozen == other)


def _same_items(frozen: tuple[Any, ...], other: list[Any] | tuple[Any, ...]) -> bool:
    return len(frozen) == len(other) and all(map(_same, frozen, other))
