"""Prints messages for the user to standard error."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable


def report(words: str) -> None:
    """Print a message to standard error, control characters escaped."""
    print(text_of(words), file=sys.stderr, flush=True)  # noqa: T201 - it is a command


def text_of(words: str) -> str:
    """Return a message as it is printed, without the newline."""
    lines = "\n".join(map(escaped, words.split("\n")))
    return f"sf_actors: {lines}"


def lasting_report() -> Callable[[str], None]:
    """Return a `report` for a supervisor, which must not fail or wait because of it.

    What standard error does not take is dropped: its reader is gone or does not read, or its disk
    is full.
    """
    from sf_actors.log.outlet import Outlet  # noqa: PLC0415 - most verbs do without

    sys.stderr.flush()
    outlet = Outlet(
        sys.stderr.fileno(), lambda count: text_of(f"{count} lines dropped: nobody read them")
    )

    def print_words(words: str) -> None:
        with suppress(OSError):
            outlet.write(text_of(words).encode("utf-8", "backslashreplace") + b"\n")

    return print_words
