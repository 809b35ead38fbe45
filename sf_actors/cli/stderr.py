"""Prints messages for the user to standard error."""

from __future__ import annotations

import sys

from sf_actors.wording import escaped


def report(words: str) -> None:
    """Print a message to standard error, control characters escaped."""
    lines = "\n".join(map(escaped, words.split("\n")))
    print(f"sf_actors: {lines}", file=sys.stderr, flush=True)  # noqa: T201 - it is a command
