"""Splits the tokens of a command line into our own flags and the extra arguments.

One of our flags that needs a value takes the next token, unless that is one of our flags or begins
with ``--``. Any other token that begins with ``--`` is an extra argument, which takes its value by
the same rule. Any other token is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.cli.flags import FLAGS
from sf_actors.errors import UsageError
from sf_actors.wording import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.cli.flags import Flag

_BY_NAME = {name: flag for flag in FLAGS for name in flag.names}


def split(argv: Sequence[str]) -> tuple[list[tuple[Flag, str]], dict[str, str | bool]]:
    """Return our own flags with their texts, and the extra arguments by key.

    The text of a flag without a value is empty.

    :raises UsageError: a token is out of place, or a flag or key is repeated or lacks its value
    """
    ours: list[tuple[Flag, str]] = []
    extras: dict[str, str | bool] = {}
    place = 0

    def take_value() -> str | None:
        nonlocal place
        if place == len(argv) or argv[place].startswith("--") or argv[place] in _BY_NAME:
            return None
        place += 1
        return argv[place - 1]

    while place < len(argv):
        token = argv[place]
        place += 1
        name, value = _read_name(token)
        flag = _BY_NAME.get(name)
        if flag is not None:
            if not flag.is_list and any(flag is other for other, _ in ours):
                raise UsageError(f"{name}: expected once, got it twice")
            ours.append((flag, _take_ours(name, flag, value, take_value)))
        elif token.startswith("--"):
            key = name.removeprefix("--")
            if not key or token.startswith("---"):
                raise UsageError(f"expected --key value, got {token!r}, which has no key")
            if key in extras:
                raise UsageError(f"{f'--{key}'!r}: expected once, got it twice")
            given = take_value() if value is None else value
            extras[key] = True if given is None else given
        else:
            raise UsageError(
                f"expected a flag or --key before a value, got {token!r} on its own; "
                "-h explains all flags"
            )
    return ours, extras


def shown_command(argv: Sequence[str]) -> str:
    """Return a command line that is safe to show: the values of extra arguments are left out."""
    from shlex import quote  # noqa: PLC0415 - when somebody asks what runs

    shown = ["sf_actors"]
    is_ours = False
    for token in argv:
        name, value = _read_name(token)
        flag = _BY_NAME.get(name)
        if flag is not None:
            shown.append(quote(token))
            is_ours = bool(flag.metavar) and value is None
        elif token.startswith("--"):
            key = quote(token.partition("=")[0])
            shown.append(key if value is None else f"{key}={LEFT_OUT}")
            is_ours = False
        else:
            # the first token may be a verb
            is_shown = is_ours or token is argv[0]
            shown.append(quote(token) if is_shown else LEFT_OUT)
            is_ours = False
    return " ".join(shown)


def _take_ours(
    name: str, flag: Flag, value: str | None, take_value: Callable[[], str | None]
) -> str:
    if not flag.metavar:
        if value is not None:
            raise UsageError(f"{name}: expected no value, got {value!r}")
        return ""
    if value is None:
        value = take_value()
    if value is None:
        raise UsageError(
            f"{name}: expected a value ({flag.metavar}), got none; "
            f"one that begins with -- is given as {flag.long_name}=VALUE"
        )
    return value


def _read_name(token: str) -> tuple[str, str | None]:
    """Split a token into its flag, with underscores for dashes, and the value after `=`, if any."""
    if not token.startswith("--"):
        return token, None
    name, equals, value = token.removeprefix("--").partition("=")
    return f"--{name.replace('-', '_')}", value if equals else None
