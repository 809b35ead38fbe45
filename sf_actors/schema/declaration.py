"""Shares one schema among equal declarations of fields.

Reading a declaration costs more than the rest of a model, and many services of a process may come
from one file. Declarations with a user's class, such as an Enum or a TypedDict, are not shared: a
service file makes such classes again in each run, and they would keep its module alive.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from msgspec import Struct

from sf_actors.schema.scalars import NOTHING
from sf_actors.schema.schema import Schema
from sf_actors.schema.types import OF_NOBODY
from sf_actors.wire.limits import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

#: Schemas kept for later services.
MAX_SHARED = 256


class _OfItsOwnError(Exception):
    """The declaration cannot be shared."""


def schema_of(
    required: Mapping[str, object], optional: Mapping[str, object], *, where: str
) -> Schema:
    """Return the schema of these fields; equal fields with an equal `where` share one.

    :param required, optional, where: see `Schema`
    :raises ModelError: a type or a name cannot be used
    """
    try:
        key = _spelled(dict(required), MAX_DEPTH), _spelled(dict(optional), MAX_DEPTH)
    except _OfItsOwnError:
        return Schema(required, optional, where=where)
    return _shared(_Declaration(key, where, required, optional))


class _Declaration(Struct, frozen=True, eq=False):
    """The fields of one place in a model.

    :param spelled: the key, equal only for equal fields
    """

    spelled: Hashable
    where: str
    required: Mapping[str, object]
    optional: Mapping[str, object]

    def __hash__(self) -> int:
        return hash((self.spelled, self.where))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Declaration)
            and self.where == other.where
            and self.spelled == other.spelled
        )


@lru_cache(MAX_SHARED)
def _shared(declared: _Declaration) -> Schema:
    return Schema(declared.required, declared.optional, where=declared.where)


def _spelled(declared: Any, depth: int) -> Hashable:
    """Return a hashable form of a declaration: lists and dicts as tuples, in order.

    :raises _OfItsOwnError: it may contain a user's class, or is not a type
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
        # exact types, since a bool equals an int, and a member of an Enum may
        values = get_args(declared)
        if all(type(value) in (str, int, NOTHING) for value in values):
            return "of", origin, *values
    elif origin is not None:
        # marked "of" to differ from a list: typing.List is a type, [] is not
        return "of", origin, *[_spelled(part, depth) for part in get_args(declared)]
    elif isinstance(declared, type) and declared in OF_NOBODY:
        return declared
    raise _OfItsOwnError
