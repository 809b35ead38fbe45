"""Reads a type as declared in a model into one typing expression."""

from __future__ import annotations

import collections.abc
import ctypes
import enum
import types
import typing
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

import msgspec

from sf_actors.errors import ModelError
from sf_actors.schema.bounds import bounds_of, described
from sf_actors.schema.flags import bound_combinations
from sf_actors.schema.record_classes import declared_fields, is_record_class, record_class_of
from sf_actors.schema.scalars import NOTHING, SCALARS, is_flag
from sf_actors.wire.limits import MAX_DEPTH
from sf_actors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.schema.record_classes import RecordClass

_LISTS = frozenset(
    {
        list,
        collections.abc.Collection,
        collections.abc.Iterable,
        collections.abc.Sequence,
        collections.abc.MutableSequence,
    }
)
_SETS = frozenset({set, collections.abc.Set, collections.abc.MutableSet})
_DICTS = frozenset({dict, collections.abc.Mapping, collections.abc.MutableMapping})
OF_NOBODY = SCALARS.keys() | _LISTS | _SETS | _DICTS | {tuple, frozenset, object}
"""Classes that a model can name as a type and that are not a user's."""

_NOTATIONS: dict[type, str] = {
    list: "[T] with the one type of all items, or list for a list of anything",
    tuple: "(T, U) with a type for each place, or tuple for a tuple of anything",
    set: "{T} with the one type of all items, or set for a set of anything",
    frozenset: "frozenset[T], or frozenset for a set of anything",
    dict: "{K: V} with one type of key, {'field': T} with text keys alone, "
    "or dict for a mapping of anything",
}
_KNOWN = (
    "int, float, str, bytes, bool, Decimal, datetime, date, time, timedelta, UUID, an Enum, "
    "dict, list, object, [T], (T, U), {T}, {K: V}, {'field': T}, a dataclass, NamedTuple, "
    "TypedDict or Struct, or a typing expression of these"
)


def canonical(declared: object, *, where: str) -> Any:
    """Return the canonical typing expression of a type as written in a model.

    ``[T]`` becomes ``list[T]``, ``(T, U)`` ``tuple[T, U]``, ``{T}`` ``set[T]``, ``{K: V}``
    ``dict[K, V]``, ``{'field': T}`` a TypedDict with all fields required, ``object`` `Any`. The
    parts of typing expressions are read likewise. The result may be passed in again.

    :param declared: the type as the model has it
    :param where: file, model and field, for messages
    :raises ModelError: it is not a type, or one that MessagePack cannot restore
    """
    type_ = _read(declared, where, _Level())
    try:
        msgspec.msgpack.Decoder(type_)
    except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{where}: expected a type whose values can be told apart when they arrive, "
            f"got {describe(type_)}: {reason}"
        ) from None
    return type_


def record(
    required: dict[str, Any], optional: dict[str, Any], stands_for: RecordClass | None = None
) -> Any:
    """Return a TypedDict with these canonical types.

    :param stands_for: the class whose instances are such records
    """
    for name in (*required, *optional):
        if not name.isascii():
            # msgspec finds a field with such a name only if the text caches its UTF-8
            ctypes.pythonapi.PyUnicode_AsUTF8AndSize(ctypes.py_object(name), None)
    fields = required | {name: NotRequired[type_] for name, type_ in optional.items()}
    make: Any = TypedDict
    made = make("Record", fields)
    if stands_for is not None:
        made.__record_class__ = stands_for
    return made


def fields_of(type_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the required and the optional fields of a TypedDict, in the order declared."""
    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(type_, include_extras=True).items():
        # __required_keys__ is wrong for wrapped fields if the annotations were postponed
        wrapped = get_origin(hint) in (Required, NotRequired)
        must = get_origin(hint) is Required if wrapped else name in type_.__required_keys__
        (required if must else optional)[name] = get_args(hint)[0] if wrapped else hint
    return required, optional


def parts_of(type_: Any) -> tuple[Any, ...]:
    """Return the types directly inside a canonical type: of its fields, else its arguments."""
    if is_typeddict(type_):
        required, optional = fields_of(type_)
        return (*required.values(), *optional.values())
    args = get_args(type_)
    return args[:1] if get_origin(type_) is Annotated else args


def holds(type_: Any, is_sought: Callable[[Any], bool]) -> bool:
    """Return True if a canonical type is, or contains, one for which `is_sought` returns True."""
    return is_sought(type_) or any(holds(part, is_sought) for part in parts_of(type_))


def holds_record(type_: Any) -> bool:
    """Return True if a canonical type is or contains a record."""
    return holds(type_, is_typeddict)


def is_comparable(type_: Any) -> bool:
    """Return True if equal values of a canonical type can be found by their hashes."""
    inside = bare(type_)
    origin = get_origin(inside)
    if inside in (Any, tuple, frozenset) or origin in (list, set, dict) or is_typeddict(inside):
        return False
    is_made_of_parts = origin in (tuple, frozenset, Union, types.UnionType)
    return not is_made_of_parts or all(
        part is Ellipsis or is_comparable(part) for part in get_args(inside)
    )


def bare(type_: Any) -> Any:
    """Return a canonical type without the bounds of `Annotated`."""
    return get_args(type_)[0] if get_origin(type_) is Annotated else type_


def members_of(type_: Any) -> tuple[Any, ...]:
    """Return the members of a union; any other type is its own only member."""
    return get_args(type_) if get_origin(type_) in (Union, types.UnionType) else (type_,)


def union_of(members: collections.abc.Iterable[Any]) -> Any:
    """Return the union of canonical types; `Any` among them makes it `Any`."""
    several = tuple(members)
    return Any if Any in several else Union[several]  # noqa: UP007 - only known at run time


class _Level(NamedTuple):
    """The position of a type inside a declaration.

    :param left: levels still allowed
    :param classes: the records around it
    """

    left: int = MAX_DEPTH
    classes: frozenset[type] = frozenset()

    def inner(self) -> _Level:
        return _Level(self.left - 1, self.classes)

    def within(self, declared: type, where: str) -> _Level:
        if declared in self.classes:
            raise ModelError(
                f"{where}: expected a record that ends, got {declared.__qualname__} within itself"
            )
        return _Level(self.left, self.classes | {declared})


def _read(declared: Any, where: str, level: _Level) -> Any:
    if level.left == 0:
        raise ModelError(f"{where}: expected at most {MAX_DEPTH} types in each other, got more")
    if declared is None or declared is NOTHING:
        return NOTHING
    if declared is Any or declared is object:
        return Any
    if type(declared) in _NOTATIONS:
        return _read_notation(declared, where, level.inner())
    if get_origin(declared) is not None:
        return _read_expression(declared, where, level.inner())
    if isinstance(declared, type):
        return _read_class(declared, where, level.inner())
    if is_typeddict(declared):
        return _read_typeddict(declared, where, level.inner())
    meant = getattr(declared, "__supertype__", None) or getattr(declared, "__value__", None)
    if meant is not None:  # a NewType, or `type X = …`
        return _read(meant, where, level.inner())
    hint = "; write the type itself, without quotes" if isinstance(declared, str) else ""
    raise ModelError(f"{where}: expected a type, got {shown(declared)}{hint}")


def _read_notation(declared: Any, where: str, level: _Level) -> Any:
    def inner(part: object, step: str = "") -> Any:
        return _read(part, where + step, level)

    parts = list(declared)
    if isinstance(declared, dict) and parts and all(isinstance(part, str) for part in parts):
        fields = {str(name): inner(part, f".{name}") for name, part in declared.items()}
        return record(fields, {})
    if isinstance(declared, tuple) and parts:
        return tuple.__class_getitem__(tuple(inner(part) for part in parts))
    if len(parts) == 1:
        only = parts[0]
        if isinstance(declared, list):
            return list.__class_getitem__(inner(only))
        if isinstance(declared, dict):
            key = _hashable(inner(only), where)
            return dict.__class_getitem__((key, inner(declared[only])))
        return set.__class_getitem__(_hashable(inner(only), where))
    raise ModelError(
        f"{where}: expected a type such as {_NOTATIONS[type(declared)]}, got {shown(declared)}"
    )


def _read_expression(declared: Any, where: str, level: _Level) -> Any:
    origin, args = get_origin(declared), get_args(declared)
    if origin is Literal:
        return _read_literal(declared, where)
    if origin is Annotated:
        bounds = bounds_of(args[1:])
        type_ = _read(args[0], where, level)
        return Annotated[(type_, *bounds)] if bounds else type_
    if origin in (Required, NotRequired):
        raise ModelError(
            f"{where}: expected a type, got {shown(declared)}, which has no place here"
        )
    if origin in (Union, types.UnionType):
        return union_of([_read(arg, where, level) for arg in args])
    if origin is tuple:
        if len(args) == 2 and args[1] is ...:
            return tuple.__class_getitem__((_read(args[0], where, level), ...))
        return tuple.__class_getitem__(tuple(_read(arg, where, level) for arg in args))
    for kinds, kind, count in ((_LISTS, list, 1), (_DICTS, dict, 2)):
        if origin in kinds:
            _require_parameters(declared, count, where)
            inside = [_read(arg, where, level) for arg in args] or [Any] * count
            if kind is dict:
                _hashable(inside[0], where)
            return kind.__class_getitem__(tuple(inside))
    if origin in _SETS or origin is frozenset:
        _require_parameters(declared, 1, where)
        only = _hashable(_read(args[0], where, level) if args else Any, where)
        return set.__class_getitem__(only) if origin in _SETS else frozenset.__class_getitem__(only)
    raise ModelError(f"{where}: expected a type ({_KNOWN}), got {shown(declared)}")


def _require_parameters(declared: Any, count: int, where: str) -> None:
    """Refuse a wrong number of parameters, which Python accepts: ``dict[int]``."""
    got = len(get_args(declared))
    if got not in (0, count):
        raise ModelError(
            f"{where}: expected {count} type{'s' * (count > 1)} in the brackets, got {got} in "
            f"{shown(declared)}"
        )


def _read_literal(declared: Any, where: str) -> Any:
    for value in get_args(declared):
        if type(value) not in (str, int, NOTHING):
            raise ModelError(
                f"{where}: expected Literal of texts, ints and None, got {shown(value)} in it"
            )
    return declared


def _read_class(declared: Any, where: str, level: _Level) -> Any:
    if is_typeddict(declared):
        return _read_typeddict(declared, where, level)
    if is_flag(declared):
        bound_combinations(declared, where)
        return declared
    if declared in SCALARS or issubclass(declared, enum.Enum):
        return declared
    if declared in _LISTS:
        return list[Any]
    if declared in _DICTS:
        return dict[Any, Any]
    if declared in _SETS:
        return set[Any]
    if declared is tuple:
        return tuple[Any, ...]
    if declared is frozenset:
        return frozenset[Any]
    if is_record_class(declared):
        stands_for, required, optional = declared_fields(declared, where=where)
        return _read_record(required, optional, where, level.within(declared, where), stands_for)
    raise ModelError(f"{where}: expected a type ({_KNOWN}), got class {declared.__qualname__}")


def _read_typeddict(declared: Any, where: str, level: _Level) -> Any:
    try:
        required, optional = fields_of(declared)
    except (NameError, TypeError, RecursionError) as error:
        raise ModelError(f"{where}: {declared.__qualname__} cannot be read: {error}") from None

    level = level.within(declared, where)
    return _read_record(required, optional, where, level, record_class_of(declared))


def _read_record(
    required: dict[str, Any],
    optional: dict[str, Any],
    where: str,
    level: _Level,
    stands_for: RecordClass | None,
) -> Any:
    def read(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: _read(part, f"{where}.{name}", level) for name, part in fields.items()}

    return record(read(required), read(optional), stands_for)


def _hashable(type_: Any, where: str) -> Any:
    """Return a type that is usable in a set or as a key; raise ModelError for others."""
    inside = bare(type_)
    origin = get_origin(inside)
    if origin in (list, set, dict) or is_typeddict(inside):
        raise ModelError(
            f"{where}: expected a hashable type in a set or as a key (no list, set, mapping or "
            f"record), got {describe(type_)}"
        )
    if origin is tuple or origin in (Union, types.UnionType):
        for arg in get_args(inside):
            _hashable(arg, where)
    return type_


def describe(type_: Any) -> str:
    """Return a short text for a canonical type, in the notation of models."""
    text = _described(type_)
    return text if len(text) <= 160 else text[:159] + "…"


def _described(type_: Any) -> str:
    if type_ is Any:
        return "anything"
    if type_ is NOTHING:
        return "None"
    if is_typeddict(type_):
        stands_for = record_class_of(type_)
        if stands_for is not None:
            return stands_for.type.__qualname__
        required, optional = fields_of(type_)
        fields = (required | optional).items()
        return "{" + ", ".join(f"{name!r}: {_described(part)}" for name, part in fields) + "}"
    origin, args = get_origin(type_), get_args(type_)
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is Annotated:
        return f"{_described(args[0])} ({described(args[1:])})"
    if origin in (Union, types.UnionType):
        return " | ".join(map(_described, args))
    if origin is tuple and not args:
        return "tuple[()]"
    if origin is None or all(arg is Any or arg is ... for arg in args):
        return str(getattr(origin or type_, "__qualname__", type_))
    if origin is tuple:
        inside = ", ".join("..." if arg is ... else _described(arg) for arg in args)
        return f"({inside},)" if len(args) == 1 else f"({inside})"
    if origin is dict:
        return f"{{{_described(args[0])}: {_described(args[1])}}}"
    inside = _described(args[0])
    return f"[{inside}]" if origin is list else f"{{{inside}}}"
