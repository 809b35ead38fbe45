"""The child's end of the connection to the harness: commands and answers as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Link:
    """The connection of a measured process to the harness.

    It uses standard output exclusively: everything else that the process prints is sent to standard
    error, since some peers print a greeting.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._is_ready = False

    def ready(self, **facts: object) -> None:
        """Report that this side runs.

        :param facts: arguments for the sides that start later, such as a port
        """
        self._is_ready = True
        self.answer(**facts)

    def answer(self, **figures: object) -> None:
        """Answer a command."""
        self._answers.write(json.dumps(figures) + "\n")

    def commands(self) -> Iterator[dict[str, Any]]:
        """Report that this side runs, if not done yet, and yield commands until the end."""
        if not self._is_ready:
            self.ready()
        for line in sys.stdin:
            yield json.loads(line)


@cache
def link() -> Link:
    """Return the link of this process; the first call takes over standard output."""
    return Link()
