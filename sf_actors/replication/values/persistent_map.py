"""A persistent map that the garbage collector does not see.

Up to `WIDTH` items lie in one dict. Above that, a node is a list of `FAN_OUT` nodes, of which the
hash of a key chooses one by five bits a level, and the leaves are dicts again. To change one key
copies the leaf and the nodes above it: O(log n), and all the rest is shared with the map before.

The leaves are wide because CPython's collector stops the whole process while it looks at what it
tracks. It tracks neither a dict of plain scalars nor, with `gc=False`, a map itself, so that at a
million keys there are a thousand lists to look at. `immutables.Map`, a tree with a node for every
few items, has hundreds of thousands, and a collection stops the process for long; those of `rpds`
are not tracked either, but slower to change and far slower to walk through. (From Python 3.13 on,
each Decimal is tracked itself, wherever it is.)

Keys with one hash stay together in one leaf however many they are (a crowd), and each change of it
copies it. Nobody has many such keys who did not choose them: a crowd that is too large is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from sf_actors.schema.collisions import ChosenKeys

K = TypeVar("K")
V = TypeVar("V")

WIDTH: Final = 64
"""Items that a leaf holds before it is divided."""

FAN_OUT: Final = 32
MANY: Final = 1_000
"""Items that are set by going down the tree with all of them at once, not with each."""

_BITS: Final = 5
_LOW: Final = FAN_OUT - 1
_DEEPEST: Final = 60
"""Leaves are divided by so many bits of the hash: what is still together then has one hash."""

LARGEST_CROWD: Final = 2_400
"""Keys that may have one hash: more than come to an empty leaf before `pending` is merged."""

_NOTHING: Final[dict[Any, Any]] = {}
_ABSENT: Final = object()

#: A dict, or a list of FAN_OUT nodes; nobody changes one that is in a map.
_Node = Any


class Map(msgspec.Struct, Generic[K, V], frozen=True, eq=False, gc=False):
    """A mapping that never changes, made by `map_of`; any thread.

    It cannot be part of a cycle, since what is in it was there before.
    """

    root: _Node = _NOTHING
    count: int = 0
    #: keys of the largest crowd there was; 0 where there was none
    crowd: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: K) -> V:
        found: V = _leaf(self.root, key)[key]
        return found

    def __contains__(self, key: object) -> bool:
        return key in _leaf(self.root, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what stands under the key, or the default; HOT."""
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
        """Give every key."""
        return iter(self)

    def items(self) -> Iterator[tuple[K, V]]:
        """Give every key with its value."""
        for leaf in self.leaves():
            yield from leaf.items()

    def values(self) -> Iterator[V]:
        """Give every value."""
        for leaf in self.leaves():
            yield from leaf.values()

    def leaves(self) -> Iterator[dict[K, V]]:
        """Give the dicts that the items lie in, which are not to be changed; none is empty."""
        return _leaves(self.root)

    def set(self, key: K, value: V) -> Map[K, V]:
        """Return the map with one item set; HOT.

        :raises ChosenKeys: there are too many keys with this hash
        """
        root = self.root
        if type(root) is dict:
            leaf = root.copy()
            leaf[key] = value
            count = len(leaf)
            return Map(leaf, count) if count <= WIDTH else map_of(leaf)
        # down the way to the leaf, with a copy of each node
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
        """Return the map with one item less, or as many if it is not there; HOT."""
        root = self.root
        path, leaf = _way_to(root, key)
        if key not in leaf:
            return self
        copy = leaf.copy()
        del copy[key]
        return Map(_rebuilt(path, copy or _NOTHING), self.count - 1, self.crowd)

    def updated(self, changes: dict[K, V], gone: Collection[K] = ()) -> Map[K, V]:
        """Return the map with items set, and then without those that are gone; HOT.

        :param changes: may be kept, as by `map_of`
        :raises ChosenKeys: there are too many keys with one hash
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
    """Return a map of the items of a dict, which it may keep: nobody is to change it afterwards.

    :raises ChosenKeys: there are too many keys with one hash
    """
    count = len(items)
    if count <= WIDTH:
        return Map(items, count)
    crowds = [0]
    return Map(_divided(items, 0, crowds), count, max(crowds))


def free_gradually(held: list[Map[Any, Any]]) -> None:
    """Free what only these maps hold, bit by bit: to free a million items at once stops all else.

    :param held: emptied; the caller keeps no other reference
    """
    leaves: list[dict[Any, Any]] = []
    while held:
        for leaf in held.pop().leaves():
            leaves.append(leaf)
            held.extend(item for item in leaf.values() if type(item) is Map and item.count > WIDTH)
    # from the outermost on: as long as it is there, it holds all that is in it
    leaves.reverse()
    while leaves:
        del leaves[-FAN_OUT:]


def _leaf(node: _Node, key: object) -> dict[Any, Any]:
    """Return the leaf that a key belongs to; HOT."""
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
    """Return the nodes above a leaf with the place taken in each, and the leaf; HOT."""
    path: list[tuple[list[_Node], int]] = []
    bits = hash(key)
    while type(node) is list:
        place = bits & _LOW
        path.append((node, place))
        node = node[place]
        bits >>= _BITS
    return path, node


def _rebuilt(path: list[tuple[list[_Node], int]], node: _Node) -> _Node:
    """Return the copy of a tree that has another node at the end of a path; HOT."""
    for above, place in reversed(path):
        beside = above.copy()
        beside[place] = node
        # a node with nothing below it goes as well: a map that has shrunk is walked no longer
        node = beside if node or any(beside) else _NOTHING
    return node or _NOTHING


def _with_each(root: list[_Node], items: dict[Any, Any], crowds: list[int]) -> tuple[_Node, int]:
    """Return the copy of a tree with items set, and by how much it has grown; HOT.

    Each node above them is copied once: the copies are known by their ids.
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
    """Return the copy of a tree with items set, and by how much it has grown."""
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
    """Return what takes the place of a leaf that has become too large.

    :param crowds: the sizes of crowds are added to it
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
    """Return the items as they belong to the nodes below one of this depth."""
    parts: list[_Node] = [_NOTHING] * FAN_OUT
    for key, value in items.items():
        place = (hash(key) >> depth) & _LOW
        part = parts[place]
        if part is _NOTHING:
            parts[place] = {key: value}
        else:
            part[key] = value
    return parts
