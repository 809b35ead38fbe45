"""Prints messages for the user to standard error."""

from __future__ import annotations

import sys

from sf_actors.wording import escaped


def report(words: str) -> None:
    """Print a message to standard error, control characters escaped."""
    print(text_of(words), file=sys.stderr, flush=True)  # noqa: T201 - it is a command


def text_of(words: str) -> str:
    """Return a message as it is printed, without the newline."""
    lines = "\n".join(map(escaped, words.split("\n")))
    return f"sf_actors: {lines}"
