"""Generates one function that checks the fields of a message; HOT.

It does the same as `sf_actors.schema.check`, but without a call for each scalar. For
``{'symbol': str, 'levels': {str: int}}`` it is, in essence::

    def check(fields):
        if type(fields) is not dict:
            return in_full(fields)
        try:
            checked = {}
            v = fields['symbol']
            checked['symbol'] = v if type(v) is str and v.isascii() else check_0(v)
            v = fields['levels']
            if type(v) is dict and len(v) <= FEW:
                table = checked['levels'] = {}
                for k, v in v.items():
                    k = k if type(k) is str and k.isascii() else key_1(k)
                    table[k] = v if type(v) is int and LEAST <= v < BEYOND else value_1(v)
            else:
                checked['levels'] = check_1(copied(v))
            if len(checked) == len(fields):
                return checked
        except (KeyError, TypeError, RuntimeError, Mismatch):
            pass
        return in_full(fields)

It accepts, or falls back to the full check, which explains the error.
"""

from __future__ import annotations

from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from sf_actors.schema.check import checker
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.scalars import NOTHING, scalar_of
from sf_actors.schema.types import members_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.schema.record_classes import RecordClass

    Check = Callable[[Any], Any]

#: Most records whose code is kept; all services of one file share it.
CODES = 1_024

#: Most items of a table that are checked one by one; more are checked in one pass of C.
FEW = 8

#: Most items of a table of scalars that is copied before it is checked; a larger one may be shared.
COPIED = 1_000


def compiled(
    required: Mapping[str, Any],
    optional: Mapping[str, Any],
    in_full: Check,
    stands_for: RecordClass | None = None,
) -> Check:
    """Return the function that checks a dict of these fields, of canonical types.

    :param in_full: the full check to fall back to: returns the checked fields, or raises the reason
    :param stands_for: the class whose instances are accepted too
    """
    writer = _Writer(in_full, stands_for)
    for name, type_ in required.items():
        writer.add_field(name, type_, "        ")
    for name, type_ in optional.items():
        writer.lines.append(f"        if {name!r} in fields:")
        writer.add_field(name, type_, "            ")
    return writer.function()


class _Writer:
    """The lines of one function, and the names that they use."""

    def __init__(self, in_full: Check, stands_for: RecordClass | None) -> None:
        self._names: dict[str, Any] = {"in_full": in_full, "Mismatch": Mismatch, "copied": copied}
        self.lines = ["def check(fields):"]
        if stands_for is not None:
            self._names |= {"record": stands_for.type, "fields_of": stands_for.fields}
            self.lines += [
                "    given = fields",
                "    try:",
                "        if type(fields) is record: fields = fields_of(fields)",
                "    except Mismatch: return in_full(given)",
            ]
        self.lines += [
            # anything but a dict may run code when a field is read
            "    if type(fields) is not dict: return in_full(fields)",
            "    try:",
            "        checked = {}",
        ]

    def function(self) -> Check:
        """Return the function that the lines define."""
        self.lines += [
            "        if len(checked) == len(fields): return checked",
            "    except (KeyError, TypeError, RuntimeError, Mismatch): pass",
            "    return in_full(fields)",
        ]
        return FunctionType(_code("\n".join(self.lines)), self._names)

    def add_field(self, name: str, type_: Any, indent: str) -> None:
        """Add lines that check one field, which is present."""
        self.lines.append(f"{indent}v = fields[{name!r}]")
        item = self._checked("v", type_)
        tables = [member for member in members_of(type_) if is_table_of_scalars(member)]
        if len(tables) == 1:
            key, value = map(self._checked, "kv", get_args(tables[0]))
            self.lines += [
                f"{indent}if type(v) is dict and len(v) <= {FEW}:",
                f"{indent}    table = checked[{name!r}] = {{}}",
                f"{indent}    for k, v in v.items(): table[{key}] = {value}",
                f"{indent}else:",
                f"{indent}    v = copied(v)",
                f"{indent}    checked[{name!r}] = {item}",
            ]
        else:
            self.lines.append(f"{indent}checked[{name!r}] = {item}")

    def _checked(self, it: str, type_: Any) -> str:
        """Return an expression for the checked value of a variable."""
        check = self._name("check", checker(type_))
        tests = [self._test(it, kind) for kind in members_of(type_)]
        in_full = f"{check}({it})"
        return f"{it} if {' or '.join(tests)} else {in_full}" if all(tests) else in_full

    def _test(self, it: str, kind: Any) -> str:
        """Return a test for a variable that may be sent as it is; empty if `check` must decide."""
        scalar = scalar_of(kind)
        if scalar is None or scalar.test_source is None:
            return ""
        if kind is NOTHING:
            return f"{it} is None"
        name = self._name("kind", kind)
        tests = f"type({it}) is {name}", scalar.test_source.format(it=it)
        return " and ".join(filter(None, tests))

    def _name(self, noun: str, thing: Any) -> str:
        name = f"{noun}_{len(self._names)}"
        self._names[name] = thing
        return name


def is_table_of_scalars(type_: Any) -> bool:
    """Return True if a canonical type is a mapping of scalars, or of unions of scalars."""
    return get_origin(type_) is dict and all(map(_is_scalar, get_args(type_)))


def copied_fields(fields: Any) -> Any:
    """Return fields with copies of their tables."""
    if type(fields) is not dict:
        return fields
    return {name: copied(item) for name, item in fields.items()}


def copied(value: Any) -> Any:
    """Return a copy of a table, so that nobody else can change it; a very large one as it is."""
    return value.copy() if type(value) is dict and len(value) <= COPIED else value


def _is_scalar(type_: Any) -> bool:
    scalars = map(scalar_of, members_of(type_))
    return all(scalar is not None and scalar.test_source is not None for scalar in scalars)


@lru_cache(CODES)
def _code(source: str) -> CodeType:
    (code,) = (
        part
        for part in compile(source, "<check of a message>", "exec").co_consts
        if isinstance(part, CodeType)
    )
    return code
