"""Tells what was made in this process from what a fork has copied into it."""

from __future__ import annotations

import os
from typing import Final

from sf_actors.errors import UsageError


class Forks:
    """How many forks lie between this process and the one that imported the package.

    :ivar count: what is made now belongs to this process as long as it does not change
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
    """Return the error that something belongs to a parent process.

    :param what: what was tried, such as ``"to_send"``
    """
    return UsageError(
        f"{what}: this Service was made before a fork: its sockets and threads are the parent's; "
        "make one in the child"
    )
