"""A persistent map that costs the garbage collector almost nothing.

Up to `WIDTH` items are one dict. Above that, a node is a list of `FAN_OUT` nodes, indexed by five
bits of the key's hash per level, and the leaves are dicts again. Changing a key copies its leaf and
the nodes above it, O(log n); all other nodes are shared with the old map.

The leaves are wide because CPython's garbage collector stops the whole process while it visits the
objects that it tracks. It tracks neither a dict of plain scalars nor, with `gc=False`, a map
itself, so that a million keys leave it a thousand lists to visit. `immutables.Map`, a tree with a
node for every few items, has hundreds of thousands of nodes, and a collection stops the process for
a long time; the maps of `rpds` are not tracked either, but are slower to change and far slower to
iterate. (From Python 3.13 on, each Decimal is tracked itself, wherever it is; from 3.14 on, each
leaf, one for some six items.)

Keys with the same hash stay together in one leaf (a crowd), and each change copies all of it. Many
such keys do not occur by chance, only in attacks: a crowd that is too large is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from sf_actors.schema.collisions import ChosenKeys

K = TypeVar("K")
V = TypeVar("V")

WIDTH: Final = 64
"""Most items of a leaf before it is split."""

FAN_OUT: Final = 32
MANY: Final = 1_000
"""From this many items on, an update descends the tree with all of them at once."""

_BITS: Final = 5
_LOW: Final = FAN_OUT - 1
_DEEPEST: Final = 60
"""Leaves are split by this many bits of the hash; keys still together then share their hash."""

LARGEST_CROWD: Final = 2_400
"""Most keys with the same hash: more than pending patches can add before they are merged."""

_NOTHING: Final[dict[Any, Any]] = {}
_ABSENT: Final = object()

#: A dict, or a list of FAN_OUT nodes; once in a map it is never changed.
_Node = Any


class Map(msgspec.Struct, Generic[K, V], frozen=True, eq=False, gc=False):
    """An immutable mapping, made by `map_of`; any thread.

    It cannot be part of a reference cycle, since its items existed before it.
    """

    root: _Node = _NOTHING
    count: int = 0
    #: keys of the largest crowd so far, or 0
    crowd: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: K) -> V:
        found: V = _leaf(self.root, key)[key]
        return found

    def __contains__(self, key: object) -> bool:
        return key in _leaf(self.root, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or the default; HOT."""
        node = self.root
        if type(node) is list:
            bits = hash(key)
            while type(node) is list:
                node = node[bits & _LOW]
                bits >>= _BITS
        return node.get(key, default)

    def __iter__(self) -> Iterator[K]:
        for leaf in self.leaves():
            yield from leaf

    def keys(self) -> Iterator[K]:
        """Yield every key."""
        return iter(self)

    def items(self) -> Iterator[tuple[K, V]]:
        """Yield every key with its value."""
        for leaf in self.leaves():
            yield from leaf.items()

    def values(self) -> Iterator[V]:
        """Yield every value."""
        for leaf in self.leaves():
            yield from leaf.values()

    def leaves(self) -> Iterator[dict[K, V]]:
        """Yield the leaves, none of them empty; they must not be changed."""
        return _leaves(self.root)

    def set(self, key: K, value: V) -> Map[K, V]:
        """Return the map with one item set; HOT.

        :raises ChosenKeys: too many keys have this hash
        """
        root = self.root
        if type(root) is dict:
            leaf = root.copy()
            leaf[key] = value
            count = len(leaf)
            return Map(leaf, count) if count <= WIDTH else map_of(leaf)
        # descend to the leaf and copy each node on the way
        bits, depth = hash(key), _BITS
        node = copy = root.copy()
        place = bits & _LOW
        below = node[place]
        while type(below) is list:
            node[place] = node = below.copy()
            bits >>= _BITS
            depth += _BITS
            place = bits & _LOW
            below = node[place]
        leaf = below.copy()
        leaf[key] = value
        count = self.count + len(leaf) - len(below)
        if len(leaf) <= WIDTH:
            node[place] = leaf
            return Map(copy, count, self.crowd)
        crowds = [self.crowd]
        node[place] = _divided(leaf, depth, crowds)
        return Map(copy, count, max(crowds))

    def without(self, key: K) -> Map[K, V]:
        """Return the map without a key; the same map if it lacks the key; HOT."""
        root = self.root
        path, leaf = _way_to(root, key)
        if key not in leaf:
            return self
        copy = leaf.copy()
        del copy[key]
        return Map(_rebuilt(path, copy or _NOTHING), self.count - 1, self.crowd)

    def updated(self, changes: dict[K, V], gone: Collection[K] = ()) -> Map[K, V]:
        """Return the map with items set, then keys removed; HOT.

        :param changes: may become part of the map; must not be changed afterwards
        :raises ChosenKeys: too many keys have the same hash
        """
        if len(changes) == 1 and not gone:
            [(key, value)] = changes.items()
            return self.set(key, value)
        whole = self
        if not self.count:
            whole = map_of(changes)
        elif changes:
            crowds = [self.crowd]
            if type(self.root) is dict or len(changes) > MANY:
                root, grown = _with_all(self.root, changes, 0, crowds)
            else:
                root, grown = _with_each(self.root, changes, crowds)
            whole = Map(root, self.count + grown, max(crowds))
        for key in gone:
            whole = whole.without(key)
        return whole

    def __eq__(self, other: object) -> bool:
        if type(other) is not Map:
            return NotImplemented
        if self.root is other.root:
            return True
        if self.count != other.count:
            return False
        return all(other.get(key, _ABSENT) == value for key, value in self.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Map({dict(self.items())!r})"


Mapping.register(Map)

EMPTY: Final[Map[Any, Any]] = Map()


def map_of(items: dict[K, V]) -> Map[K, V]:
    """Return a map of a dict's items; it may keep the dict, which must not be changed afterwards.

    :raises ChosenKeys: too many keys have the same hash
    """
    count = len(items)
    if count <= WIDTH:
        return Map(items, count)
    crowds = [0]
    return Map(_divided(items, 0, crowds), count, max(crowds))


def free_gradually(held: list[Map[Any, Any]]) -> None:
    """Free these maps bit by bit: freeing a million items at once would stop the process.

    :param held: emptied; the caller must keep no other reference
    """
    leaves: list[dict[Any, Any]] = []
    while held:
        for leaf in held.pop().leaves():
            leaves.append(leaf)
            held.extend(item for item in leaf.values() if type(item) is Map and item.count > WIDTH)
    # outermost leaves first: a leaf keeps the maps inside it alive
    leaves.reverse()
    while leaves:
        del leaves[-FAN_OUT:]


def _leaf(node: _Node, key: object) -> dict[Any, Any]:
    """Return the leaf of a key; HOT."""
    if type(node) is list:
        bits = hash(key)
        while type(node) is list:
            node = node[bits & _LOW]
            bits >>= _BITS
    return node  # type: ignore[no-any-return]


def _leaves(node: _Node) -> Iterator[dict[Any, Any]]:
    if type(node) is dict:
        if node:
            yield node
        return
    for inner in node:
        if type(inner) is list:
            yield from _leaves(inner)
        elif inner:
            yield inner


def _way_to(node: _Node, key: object) -> tuple[list[tuple[list[_Node], int]], dict[Any, Any]]:
    """Return the nodes above a key's leaf, with the index in each, and the leaf; HOT."""
    path: list[tuple[list[_Node], int]] = []
    bits = hash(key)
    while type(node) is list:
        place = bits & _LOW
        path.append((node, place))
        node = node[place]
        bits >>= _BITS
    return path, node


def _rebuilt(path: list[tuple[list[_Node], int]], node: _Node) -> _Node:
    """Return a copy of a tree with the node at the end of a path replaced; HOT."""
    for above, place in reversed(path):
        beside = above.copy()
        beside[place] = node
        # drop empty nodes too, so that iterating a map that has shrunk stays fast
        node = beside if node or any(beside) else _NOTHING
    return node or _NOTHING


def _with_each(root: list[_Node], items: dict[Any, Any], crowds: list[int]) -> tuple[_Node, int]:
    """Return a copy of a tree with items set one by one, and the number of new keys; HOT.

    Each node is copied once; the copies are recognised by their ids.
    """
    copy = root.copy()
    copies = {id(copy)}
    grown = 0
    for key, value in items.items():
        node, bits, depth = copy, hash(key), _BITS
        place = bits & _LOW
        below = node[place]
        while type(below) is list:
            if id(below) not in copies:
                below = node[place] = below.copy()
                copies.add(id(below))
            node = below
            bits >>= _BITS
            depth += _BITS
            place = bits & _LOW
            below = node[place]
        if id(below) not in copies:
            below = node[place] = below.copy()
            copies.add(id(below))
        grown -= len(below)
        below[key] = value
        grown += len(below)
        if len(below) > WIDTH:
            node[place] = _divided(below, depth, crowds)
    return copy, grown


def _with_all(
    node: _Node, items: dict[Any, Any], depth: int, crowds: list[int]
) -> tuple[_Node, int]:
    """Return a copy of a tree with all items set at once, and the number of new keys."""
    if type(node) is dict:
        leaf = {**node, **items}
        grown = len(leaf) - len(node)
        return (leaf if len(leaf) <= WIDTH else _divided(leaf, depth, crowds)), grown
    beside, grown = node.copy(), 0
    for place, part in enumerate(_parts(items, depth)):
        if part:
            beside[place], more = _with_all(node[place], part, depth + _BITS, crowds)
            grown += more
    return beside, grown


def _divided(items: dict[Any, Any], depth: int, crowds: list[int]) -> _Node:
    """Return the replacement of a leaf that has become too large.

    :param crowds: the sizes of crowds are appended to it
    """
    if depth >= _DEEPEST:
        if len(items) > LARGEST_CROWD:
            raise ChosenKeys(f"expected at most {LARGEST_CROWD} keys with one hash, got more")
        crowds.append(len(items))
        return items
    parts = _parts(items, depth)
    for place, part in enumerate(parts):
        if len(part) > WIDTH:
            parts[place] = _divided(part, depth + _BITS, crowds)
    return parts


def _parts(items: dict[Any, Any], depth: int) -> list[_Node]:
    """Return the items divided among the nodes below one of this depth."""
    parts: list[_Node] = [_NOTHING] * FAN_OUT
    for key, value in items.items():
        place = (hash(key) >> depth) & _LOW
        part = parts[place]
        if part is _NOTHING:
            parts[place] = {key: value}
        else:
            part[key] = value
    return parts
