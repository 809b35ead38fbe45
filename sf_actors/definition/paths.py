"""Paths of files that a service writes: what may stand in their texts."""

from __future__ import annotations

import os


def filled(path: str, name: str) -> str:
    """Return a path with the service's name and the process in place of their names in braces.

    :param name: of the service
    """
    return path.replace("{name}", name).replace("{pid}", str(os.getpid()))
