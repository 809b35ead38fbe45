"""Placeholders in the paths of files that a service writes."""

from __future__ import annotations

import os

from sf_actors.definition.environment import Unset, expanded
from sf_actors.errors import UsageError


def filled(path: str | os.PathLike[str], name: str, *, where: str) -> str:
    """Return a path with ``{name}``, ``{pid}`` and ``${VARIABLE:default}`` replaced.

    :param name: of the service
    :param where: what the path is for, for messages
    :raises UsageError: a variable is not set and has no default
    """
    text = expanded(os.fspath(path))
    if isinstance(text, Unset):
        raise UsageError(f"{where}: {text.problem}")
    return str(text).replace("{name}", name).replace("{pid}", str(os.getpid()))
