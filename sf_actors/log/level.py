"""Levels of log lines: numbers as in `logging`, with names."""

from __future__ import annotations

import sys

from sf_actors.errors import UsageError
from sf_actors.wording import nearest

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50
OFF = sys.maxsize
_NAMES = {DEBUG: "debug", INFO: "info", WARNING: "warning", ERROR: "error", CRITICAL: "critical"}
_LEVELS = {name.upper(): number for number, name in _NAMES.items()}
_ALIASES = {**_LEVELS, "NONE": OFF, "NOTSET": 0, "WARN": WARNING, "FATAL": CRITICAL}


def parse_level(level: str | int | None, *, where: str) -> int:
    """Parse a level to a number; lines of at least this level are written.

    :param level: a name in any case, a number as in `logging`, None or ``'NONE'`` for no lines
    :param where: the argument or flag it comes from, for the message
    :raises UsageError: it is not a level
    """
    if level is None:
        return OFF
    if isinstance(level, int) and not isinstance(level, bool) and level >= 0:
        return min(level, OFF)
    if isinstance(level, str):
        name = level.strip().upper()
        if name in _ALIASES:
            return _ALIASES[name]
        if name.isdecimal() and name.isascii() and len(name) < 10:
            return int(name)
    valid = (*_LEVELS, "NONE")
    hint = nearest(str(level).strip().upper(), valid)
    raise UsageError(f"{where}: expected {', '.join(valid)} or a number, got {level!r}{hint}")


def shown_level(level: int) -> str | int | None:
    """Return a level in the form for `parse_level`: a name, None for no lines, else the number."""
    if level == OFF:
        return None
    name = _NAMES.get(level)
    return level if name is None else name.upper()


def level_name(level: int) -> str:
    """Return the name of a level as written in a line."""
    return _NAMES.get(level) or f"level {level}"
