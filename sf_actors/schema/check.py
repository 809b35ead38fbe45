"""Checks values against declared types, before they are sent.

A type is compiled once into a function that takes a value and returns the value to send. Types are
exact: a bool is not an int, a datetime is not a date, and no subclass is accepted, because the
receiver would get something else. The only conversions are those that lose nothing: an int of up to
2**53 where a float is declared, lists and tuples, sets and frozensets as declared, a datetime's
zone to UTC, a state's read-only mapping to a dict.

Most containers hold scalars of one type; they are checked in one pass of C (`unchanged`) and
returned as they are, so the result may share containers with the argument.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, is_typeddict

from sf_actors.schema.bounds import is_within
from sf_actors.schema.mismatch import Mismatch, mapping_of, mismatch
from sf_actors.schema.record_classes import record_class_of
from sf_actors.schema.scalars import NOTHING, scalar_of
from sf_actors.schema.types import bare, describe, fields_of, members_of
from sf_actors.schema.undeclared import check_anything, check_key
from sf_actors.wording import named, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sf_actors.schema.record_classes import RecordClass

    Check = Callable[[Any], Any]

#: Values that are tested in one pass of C, which no other thread can interrupt.
_RUN = 10_000


def checker(type_: Any) -> Check:
    """Return the function that checks values of a canonical type.

    It returns the value to send and raises `Mismatch` when there is none.
    """
    if type_ is Any:
        return check_anything
    if get_origin(type_) is Annotated:
        return _bounded(checker(bare(type_)), type_)
    scalar = scalar_of(type_)
    if scalar is not None:
        return scalar.check
    if is_typeddict(type_):
        return fields_checker(*fields_of(type_), record_class_of(type_))
    origin, args = get_origin(type_), get_args(type_)
    if origin is Literal:
        return _one_of(type_)
    if origin is list:
        return _list_of(args[0], type_)
    if origin is tuple:
        return _tuple_of(args, type_)
    if origin in (set, frozenset):
        return _set_of(origin, args[0], type_)
    if origin is dict:
        return _table_of(args[0], args[1], type_)
    return _any_of(type_)


def fields_checker(
    required: Mapping[str, Any],
    optional: Mapping[str, Any],
    stands_for: RecordClass | None = None,
) -> Check:
    """Return the function that checks a mapping of exactly these fields.

    :param stands_for: the class whose instances are accepted too
    """
    must = tuple((name, checker(type_)) for name, type_ in required.items())
    may = tuple((name, checker(type_)) for name, type_ in optional.items())
    names = (*required, *optional)
    expected = f"a dict of {', '.join(names) or 'no fields'}"
    if stands_for is not None:
        expected = f"{stands_for.type.__qualname__} or {expected}"

    def check(fields: Any) -> dict[str, Any]:
        if type(fields) is not dict:
            if stands_for is not None and type(fields) is stands_for.type:
                fields = stands_for.fields(fields)
            else:
                fields = mapping_of(fields, expected)
        checked = {}
        name = ""
        try:
            for name, check_one in must:
                checked[name] = check_one(fields[name])
            for name, check_one in may:
                if name in fields:
                    checked[name] = check_one(fields[name])
        except Mismatch as error:
            error.under(f".{name}")
            raise
        except KeyError:
            raise _unfit(fields, required, names) from None
        if len(checked) != len(fields):
            raise _unfit(fields, required, names)
        return checked

    return check


def _unfit(fields: dict[Any, Any], required: Collection[str], names: tuple[str, ...]) -> Mismatch:
    for name in fields:
        if name not in names:
            hint = nearest(named(name), names)
            known = f"; the fields are {', '.join(names)}" if names and not hint else ""
            return Mismatch(f"unknown field {named(name)!r}{hint or known}")
    missing = ", ".join(repr(name) for name in required if name not in fields)
    return Mismatch(f"missing field {missing}; got {', '.join(map(repr, fields)) or 'no fields'}")


def _bounded(check: Check, type_: Any) -> Check:
    bounds = get_args(type_)[1:]

    def check_bounds(value: Any) -> Any:
        checked = check(value)
        if not is_within(checked, bounds):
            raise mismatch(describe(type_), value)
        return checked

    return check_bounds


def _one_of(type_: Any) -> Check:
    """Return the check of a Literal."""
    values = frozenset((type(value), value) for value in get_args(type_))

    def check(value: Any) -> Any:
        if type(value) in (str, int, NOTHING) and (type(value), value) in values:
            return value
        raise mismatch(describe(type_), value)

    return check


def unchanged(type_: Any) -> Callable[[Collection[Any]], bool] | None:
    """Return a test in C speed that is True if all of some values may be sent as they are.

    None for types without such a test. It may refuse values that pass one by one, such as texts
    beyond ASCII.
    """
    kinds = frozenset(members_of(type_))
    scalars = [scalar_of(kind) for kind in kinds]
    if all(scalar is not None and scalar.test_source == "" for scalar in scalars):
        return lambda values: kinds.issuperset(map(type, values))
    (scalar, *others) = scalars
    if others or scalar is None or scalar.all_pass is None:
        return None
    all_pass = scalar.all_pass
    return lambda values: kinds.issuperset(map(type, values)) and all_pass(values)


def _list_of(item: Any, type_: Any) -> Check:
    check_one, same = checker(item), unchanged(item)

    def check(value: Any) -> Any:
        if type(value) is not list and type(value) is not tuple:
            raise mismatch(describe(type_), value)
        if same is not None and same(value):
            return value if type(value) is list else list(value)
        return _each(check_one, value)

    return check


def _tuple_of(items: tuple[Any, ...], type_: Any) -> Check:
    if len(items) == 2 and items[1] is ...:
        check_list = _list_of(items[0], type_)
        return lambda value: tuple(check_list(value))
    checks = tuple(map(checker, items))
    length = len(checks)

    def check(value: Any) -> Any:
        if (type(value) is not tuple and type(value) is not list) or len(value) != length:
            raise mismatch(describe(type_), value)
        checked: list[Any] = []
        try:
            for check_one, item in zip(checks, value, strict=True):
                checked.append(check_one(item))
        except Mismatch as error:
            error.under(f"[{len(checked)}]")
            raise
        return tuple(checked)

    return check


def _set_of(kind: Any, item: Any, type_: Any) -> Check:
    check_one, same = checker(item), unchanged(item)

    def check(value: Any) -> Any:
        if type(value) is not set and type(value) is not frozenset:
            raise mismatch(describe(type_), value)
        if same is not None and same(value):
            return value if type(value) is kind else kind(value)
        return kind([check_one(item) for item in value])

    return check


def _table_of(key: Any, value_type: Any, type_: Any) -> Check:
    check_name = check_key if key is Any else checker(key)
    check_value = checker(value_type)
    same_keys, same_values = unchanged(key), unchanged(value_type)

    def check(table: Any) -> Any:
        if type(table) is not dict:
            table = mapping_of(table, describe(type_))
        keys = table
        is_short = len(table) <= _RUN
        if same_keys is None or not (same_keys(table) if is_short else _in_runs(same_keys, table)):
            keys = [_key_of(check_name, name) for name in table]
        elif same_values is not None and (
            same_values(table.values()) if is_short else _in_runs(same_values, table.values())
        ):
            return table
        name = None
        checked = {}
        try:
            for new, (name, value) in zip(keys, table.items(), strict=True):  # noqa: B007 - see below
                checked[new] = check_value(value)
        except Mismatch as error:
            error.under(f".{named(name)}")
            raise
        return checked

    return check


def _in_runs(test: Callable[[Collection[Any]], bool], values: Collection[Any]) -> bool:
    """Test very many values in runs, so that other threads may run in between."""
    left = iter(values)
    while run := list(islice(left, _RUN)):
        if not test(run):
            return False
    return True


def _key_of(check_key: Check, name: Any) -> Any:
    try:
        return check_key(name)
    except Mismatch as error:
        raise Mismatch(f"{error.text} as a key") from None


def _any_of(type_: Any) -> Check:
    """Return the check of a union: it tries each member that may accept the value's exact type."""
    by_type: dict[Any, list[Check]] = {}
    for member in members_of(type_):
        check_member = checker(member)
        for kind in _taken_by(member):
            by_type.setdefault(kind, []).append(check_member)
    if float in by_type and int not in members_of(type_):
        by_type.setdefault(int, []).extend(by_type[float])

    def check(value: Any) -> Any:
        checks = by_type.get(type(value))
        if checks is None:
            if dict not in by_type:
                raise mismatch(describe(type_), value)
            value, checks = mapping_of(value, describe(type_)), by_type[dict]
        for check_member in checks[:-1]:
            try:
                return check_member(value)
            except Mismatch:
                continue
        return checks[-1](value)

    return check


def _taken_by(member: Any) -> tuple[Any, ...]:
    member = bare(member)
    several = members_of(member)
    if len(several) > 1:
        return tuple(kind for one in several for kind in _taken_by(one))
    stands_for = record_class_of(member)
    if stands_for is not None:
        return dict, stands_for.type
    origin = get_origin(member)
    if origin is Literal:
        return tuple({type(value) for value in get_args(member)})
    if origin in (list, tuple):
        return list, tuple
    if origin in (set, frozenset):
        return set, frozenset
    return (dict,) if origin is dict or is_typeddict(member) else (member,)


def _each(check_one: Check, values: Collection[Any]) -> list[Any]:
    checked: list[Any] = []
    try:
        for item in values:
            checked.append(check_one(item))  # noqa: PERF401 - its length is the error's index
    except Mismatch as error:
        error.under(f"[{len(checked)}]")
        raise
    return checked
