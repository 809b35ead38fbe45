"""The check of a message's fields as one function written for them; HOT.

What `sf_actors.wire.check` does field by field, a function of its own does without a call for each
scalar: for ``{'symbol': str, 'levels': {int: int}}`` it reads, in essence::

    def check(fields):
        try:
            checked = {
                'symbol': v if type(v := fields['symbol']) is str and v.isascii() else check_0(v),
                'levels': check_1(fields['levels']),
            }
            if len(checked) == len(fields):
                return checked
        except (KeyError, TypeError, RuntimeError, Mismatch):
            pass
        return in_full(fields)

It says yes, or leaves the word to the check in full, which also knows why not.
"""

from __future__ import annotations

from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from sf_actors.wire.check import checker
from sf_actors.wire.mismatch import Mismatch
from sf_actors.wire.scalars import BEYOND, LEAST, is_sent_as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Check = Callable[[Any], Any]

#: Records whose code is kept: a thousand services of one file need one.
CODES = 1_024

_TESTS = {
    int: f"type(v := fields[{{name}}]) is int and {LEAST} <= v < {BEYOND}",
    float: "type(v := fields[{name}]) is float",
    str: "type(v := fields[{name}]) is str and v.isascii()",
}
_EXACT = "type(v := fields[{name}]) is kind_{n}"


def compiled(required: Mapping[str, Any], optional: Mapping[str, Any], in_full: Check) -> Check:
    """Return the function that checks a dict of these fields, of canonical types.

    :param in_full: what it leaves the word to: returns the checked fields, or raises why not
    """
    names: dict[str, Any] = {"in_full": in_full, "Mismatch": Mismatch}
    must: list[str] = []
    may: list[str] = []
    for n, (name, type_) in enumerate([*required.items(), *optional.items()]):
        names[f"check_{n}"] = checker(type_)
        value = f"check_{n}(fields[{name!r}])"
        test = _TESTS.get(type_) or (_EXACT if is_sent_as_it_is(type_) else None)
        if test is not None:
            names[f"kind_{n}"] = type_
            value = f"v if {test.format(name=repr(name), n=n)} else check_{n}(v)"
        if n < len(required):
            must.append(f"{name!r}: {value}")
        else:
            may.append(f"        if {name!r} in fields: checked[{name!r}] = {value}")
    lines = [
        "def check(fields):",
        "    try:",
        f"        checked = {{{', '.join(must)}}}",
        *may,
        "        if len(checked) == len(fields) and type(fields) is dict: return checked",
        "    except (KeyError, TypeError, RuntimeError, Mismatch): pass",
        "    return in_full(fields)",
    ]
    return FunctionType(_code("\n".join(lines)), names)


@lru_cache(CODES)
def _code(source: str) -> CodeType:
    (code,) = (
        part
        for part in compile(source, "<check of a message>", "exec").co_consts
        if isinstance(part, CodeType)
    )
    return code
