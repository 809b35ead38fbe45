"""Converts a value of the config to the type that the `config_model` declares.

There are three functions, depending on where the value comes from:

- `from_text`, for the command line: the text is converted to the type, containers are JSON;
- `from_json`, for a file or an object: types of JSON are taken as they are, other types are read
  from a text or list, and a text that contained an environment variable is read as by `from_text`;
- `confirm`, for a hook, and for the whole config at the end: the value must have the type already,
  except that an int may replace a float.

Types are canonical ones (`sf_actors.schema.types`). `msgspec.convert` has different rules: it
decodes bytes from base64, drops undeclared fields of a nested record, and accepts spaces and
underscores in numbers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, is_typeddict

from sf_actors.definition.config import scalar_texts
from sf_actors.definition.config.json_file import WrittenFloat, parse, plain
from sf_actors.definition.environment import Expanded, Unset
from sf_actors.schema.bounds import is_within
from sf_actors.schema.collisions import ChosenKeys, require_spread
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.scalars import NOTHING, SCALARS, is_enum, is_flag
from sf_actors.schema.types import bare, describe, fields_of, members_of
from sf_actors.wording import named, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_SOURCES: dict[Any, tuple[type, ...]] = {
    list: (tuple,),
    tuple: (list,),
    set: (list, tuple, frozenset),
    frozenset: (list, tuple, set),
}


def from_text(text: str | bool, type_: Any) -> Any:
    """Convert a value from the command line; True is a flag without a value.

    :raises Mismatch: it cannot be read as the type
    """
    if type_ is Any:
        return text
    if get_origin(type_) is Annotated:
        return _within_bounds(from_text(text, bare(type_)), type_)
    members = members_of(type_)
    if isinstance(text, bool):
        if bool in members:
            return text
        raise Mismatch(f"expected {_expected(type_)}, got a flag without a value")
    if len(members) > 1:
        # any text is a str, so try more specific types first
        last = {str: 1, NOTHING: 2}
        members = tuple(sorted(members, key=lambda member: last.get(member, 0)))
        return _first(lambda member: from_text(text, member), members, text, type_)
    if type_ in SCALARS:
        return _read(text, type_)
    if get_origin(type_) is Literal:
        return _match(lambda kind: from_text(text, kind), get_args(type_), text, type_)
    if is_enum(type_):
        return _member(lambda kind: from_text(text, kind), text, type_)
    try:
        content = parse(text)
    except ValueError as exc:
        raise Mismatch(f"expected {describe(type_)} as JSON, got {shown(text)}: {exc}") from exc
    return from_json(content, type_)


def from_json(value: Any, type_: Any) -> Any:
    """Convert a value from a file or an object; values that have the type already are accepted too.

    Containers are copied.

    :raises Mismatch: the value cannot be converted to the type
    """
    return _walk(value, type_, exact=False)


def confirm(value: Any, type_: Any) -> Any:
    """Return a value that has exactly the type; an int is converted if a float is declared.

    :raises Mismatch: it has another type
    """
    return _walk(value, type_, exact=True)


def _walk(value: Any, type_: Any, *, exact: bool) -> Any:
    if isinstance(value, Expanded | Unset):
        return _read_expanded(value, type_)
    if type_ is Any:
        return value if exact else plain(value)
    if get_origin(type_) is Annotated:
        return _within_bounds(_walk(value, bare(type_), exact=exact), type_)
    members = members_of(type_)
    if len(members) > 1:
        return _walk_union(value, type_, exact=exact)
    if is_typeddict(type_):
        return _walk_record(value, type_, exact=exact)
    origin = get_origin(type_)
    if origin is Literal:
        return _walk_literal(value, type_)
    if origin is dict:
        return _walk_mapping(value, type_, exact=exact)
    if origin is not None:
        return _walk_items(value, type_, origin, exact=exact)
    if type(value) is type_:
        return value
    if type_ is float and type(value) is WrittenFloat:
        return plain(value)
    if type_ is float and type(value) is int:
        return _read(value, type_)
    if exact:
        raise _mismatch(value, type_)
    return _read_lacking(value, type_)


def _read_expanded(text: Expanded | Unset, type_: Any) -> Any:
    if isinstance(text, Unset):
        raise Mismatch(text.problem)
    return from_text(str(text), type_)


def _walk_union(value: Any, type_: Any, *, exact: bool) -> Any:
    members = members_of(type_)
    if type(value) in members:
        return value
    try:
        return _first(lambda member: _walk(value, member, exact=True), members, value, type_)
    except Mismatch:
        if exact:
            raise
    return _first(lambda member: _walk(value, member, exact=False), members, value, type_)


def _walk_literal(value: Any, type_: Any) -> Any:
    for option in get_args(type_):
        if type(value) is type(option) and value == option:
            return option
    raise _mismatch(value, type_)


def _within_bounds(value: Any, type_: Any) -> Any:
    if not is_within(value, get_args(type_)[1:]):
        raise _mismatch(value, type_)
    return value


def _walk_record(value: Any, type_: Any, *, exact: bool) -> Any:
    stands_for = record_class_of(type_)
    given = value
    if stands_for is not None and type(value) is stands_for.type:
        value = stands_for.fields(value)
    if type(value) is not dict:
        raise _mismatch(value, type_)
    required, optional = fields_of(type_)
    fields = required | optional
    for name in value:
        if name not in fields:
            raise Mismatch(f"unknown field {named(name)!r}{nearest(name, fields)}")
    for name in required:
        if name not in value:
            raise Mismatch(f"missing field {name!r}")
    read = {name: _inside(name, item, fields[name], exact=exact) for name, item in value.items()}
    if stands_for is None:
        return read
    # a constructor may change what it is given, so it is called once: not for an instance
    return stands_for.make(read) if given is value else stands_for.copied(given, read)


def _walk_mapping(value: Any, type_: Any, *, exact: bool) -> dict[Any, Any]:
    if type(value) is not dict:
        raise _mismatch(value, type_)
    key_type, item_type = get_args(type_)
    keys = [_read_key(key, key_type, exact=exact) for key in value]
    _require_spread(keys)
    found: dict[Any, Any] = {}
    for read, (key, item) in zip(keys, value.items(), strict=True):
        if read in found:
            raise Mismatch(f"key {shown(key)}: {shown(read)} is there already")
        found[read] = _inside(key, item, item_type, exact=exact)
    return found


def _read_key(key: Any, key_type: Any, *, exact: bool) -> Any:
    # JSON has only text keys: read the declared type from the text
    is_written = type(key) is str and not exact
    try:
        return from_text(key, key_type) if is_written else _walk(key, key_type, exact=exact)
    except Mismatch as exc:
        raise Mismatch(f"key {shown(key)}: {exc.text}") from exc


def _require_spread(keys: Collection[Any]) -> None:
    try:
        require_spread(keys)
    except ChosenKeys as exc:
        raise Mismatch(str(exc)) from exc


def _walk_items(value: Any, type_: Any, container: Any, *, exact: bool) -> Any:
    if type(value) is not container and (exact or type(value) not in _SOURCES[container]):
        raise _mismatch(value, type_)
    types = get_args(type_)
    if container is not tuple or types[-1] is ...:
        types = types[:1] * len(value)
    elif len(types) != len(value):
        raise Mismatch(f"expected {describe(type_)}, got {len(value)} items: {shown(plain(value))}")
    pairs = enumerate(zip(value, types, strict=True))
    items = [_inside(place, item, part, exact=exact) for place, (item, part) in pairs]
    try:
        if container in (set, frozenset):
            _require_spread(items)
        return container(items)
    except TypeError as exc:  # unhashable, in a set of any type
        raise Mismatch(f"expected {describe(type_)}, got {exc}") from exc


def _inside(step: object, value: Any, type_: Any, *, exact: bool) -> Any:
    try:
        return _walk(value, type_, exact=exact)
    except Mismatch as error:
        error.under(f".{named(step)}")
        raise


def _read_lacking(value: Any, type_: Any) -> Any:
    """Convert a JSON scalar to a type that JSON lacks."""
    if is_enum(type_):
        return _member(lambda kind: from_json(value, kind), value, type_)
    kind = type(value)
    is_number = type_ is Decimal and kind in (int, float, WrittenFloat)
    if is_number or (kind is str and type_ in scalar_texts.LACKING):
        return _read(value, type_)
    raise _mismatch(value, type_)


def _read(value: Any, type_: Any) -> Any:
    try:
        return scalar_texts.read(value if isinstance(value, str) else _written(value), type_)
    except ValueError as exc:
        raise _mismatch(value, type_) from exc


def _match(read: Callable[[Any], Any], values: Iterable[Any], given: Any, type_: Any) -> Any:
    """Return the one of some values that equals `read(its type)`."""
    for value in values:
        try:
            if read(type(value)) == value:
                return value
        except Mismatch:
            continue
    raise _mismatch(given, type_)


def _member(read: Callable[[Any], Any], given: Any, type_: Any) -> Any:
    """Return the member of an Enum, or the combination of a Flag, whose value `read` reads."""
    if not is_flag(type_):
        return type_(_match(read, [member.value for member in type_], given, type_))
    try:
        return type_(read(int))
    except ValueError as exc:
        raise _mismatch(given, type_) from exc


def _first(read: Callable[[Any], Any], members: Iterable[Any], given: Any, type_: Any) -> Any:
    """Return the result of the first member of a union that can be read."""
    for member in members:
        try:
            return read(member)
        except Mismatch:
            continue
    raise _mismatch(given, type_)


def _written(number: object) -> str:
    return number.text if isinstance(number, WrittenFloat) else str(number)


def _mismatch(value: Any, type_: Any) -> Mismatch:
    return Mismatch(f"expected {_expected(type_)}, got {shown(plain(value))}")


def _expected(type_: Any) -> str:
    if is_enum(type_):
        return f"{describe(type_)} ({' or '.join(repr(member.value) for member in type_)})"
    return scalar_texts.FORMS.get(type_) or describe(type_)
