"""How much of a repetitive test is done: all of it where `CI` is set, else a part.

What is left out are repetitions: each behaviour is tried in both cases.
"""

from __future__ import annotations

import os

#: Whether the machine takes its time.
IS_FULL = bool(os.environ.get("CI"))


def effort(full: int, *, brief: int, variable: str = "") -> int:
    """Return how often to try something.

    :param variable: one of the environment that decides it where it is set
    """
    given = os.environ.get(variable) if variable else None
    if given is not None:
        return int(given)
    return full if IS_FULL else brief
