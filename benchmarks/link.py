"""The child's end of the line to the harness: commands come in, answers go out, as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Link:
    """What a measured process says to the harness and hears from it.

    Standard output is for the link alone: whatever else the process prints goes to standard error,
    as some peers greet on standard output.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._is_ready = False

    def ready(self, **facts: object) -> None:
        """Say that this side runs.

        :param facts: what the sides that start later need to know, such as a port
        """
        self._is_ready = True
        self.answer(**facts)

    def answer(self, **figures: object) -> None:
        """Answer a command."""
        self._answers.write(json.dumps(figures) + "\n")

    def commands(self) -> Iterator[dict[str, Any]]:
        """Say that this side runs, if it has not, and yield commands until the line is closed."""
        if not self._is_ready:
            self.ready()
        for line in sys.stdin:
            yield json.loads(line)


@cache
def link() -> Link:
    """Return the link of this process; the first call takes standard output away."""
    return Link()
