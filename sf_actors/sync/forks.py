"""Distinguishes objects made in this process from those that a fork has copied into it."""

from __future__ import annotations

import os
from typing import Final

from sf_actors.errors import UsageError


class Forks:
    """Counts the forks between this process and the one that imported the package.

    :ivar count: an object belongs to this process if the count has not changed since it was made
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def note(self) -> None:
        """Count a fork; in the child."""
        self.count += 1


FORKS: Final = Forks()
os.register_at_fork(after_in_child=FORKS.note)


def of_parent(what: str) -> UsageError:
    """Return the error for using an object of a parent process.

    :param what: what was tried, such as ``"to_send"``
    """
    return UsageError(
        f"{what}: this Service was made before a fork: its sockets and threads are the parent's; "
        "make one in the child"
    )
