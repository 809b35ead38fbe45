"""Fields as a model declares them, and the schema that equal declarations share.

To read a declaration costs more than the rest of a model, and many services of one process come
from one file. Shared is only what holds no class of a user, such as an Enum or a TypedDict: a
service file makes these anew in each run, and they would keep its module alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from sf_actors.schema.scalars import NOTHING
from sf_actors.schema.schema import Schema
from sf_actors.schema.types import OF_NOBODY
from sf_actors.wire.limits import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

#: How many schemas are kept for services to come.
MAX_SHARED = 256


class _OfItsOwnError(Exception):
    """A declaration that only its own service has."""


def schema_of(
    required: Mapping[str, object], optional: Mapping[str, object], *, where: str
) -> Schema:
    """Return the schema of these fields, the same one for equal fields in an equal place.

    :param required, optional, where: see `Schema`
    :raises ModelError: a type or a name cannot be used
    """
    try:
        key = _spelled(dict(required), MAX_DEPTH), _spelled(dict(optional), MAX_DEPTH)
    except _OfItsOwnError:
        return Schema(required, optional, where=where)
    return _shared(_Declaration(key, where, required, optional))


@dataclass(frozen=True, slots=True)
class _Declaration:
    """Fields in their place.

    :param spelled: what is equal for equal fields, and only for these
    """

    spelled: Hashable
    where: str
    required: Mapping[str, object] = field(compare=False)
    optional: Mapping[str, object] = field(compare=False)


@lru_cache(MAX_SHARED)
def _shared(declared: _Declaration) -> Schema:
    return Schema(declared.required, declared.optional, where=declared.where)


def _spelled(declared: Any, depth: int) -> Hashable:
    """Return how a type is written: lists and dicts as tuples, in their order.

    :raises _OfItsOwnError: it holds what may be a class of a user, or is no type
    """
    if depth == 0:
        raise _OfItsOwnError
    depth -= 1
    kind = type(declared)
    if declared is None or declared is ... or declared is Any:
        return declared
    if kind is dict:
        names = [name if type(name) is str else _spelled(name, depth) for name in declared]
        return kind, *names, *[_spelled(part, depth) for part in declared.values()]
    if kind in (list, tuple, set, frozenset):
        return kind, *[_spelled(part, depth) for part in declared]
    origin = get_origin(declared)
    if origin is Literal:
        # a bool is equal to an int, and a member of an Enum can be
        values = get_args(declared)
        if all(type(value) in (str, int, NOTHING) for value in values):
            return "of", origin, *values
    elif origin is not None:
        # apart from a list: [] is no type, but typing.List is
        return "of", origin, *[_spelled(part, depth) for part in get_args(declared)]
    elif isinstance(declared, type) and declared in OF_NOBODY:
        return declared
    raise _OfItsOwnError
