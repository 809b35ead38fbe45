"""The number of repetitions in long tests: all if `CI` is set, else a part.

Only repetitions are left out: each behaviour is tested in both cases.
"""

from __future__ import annotations

import os

#: True if all repetitions should run.
IS_FULL = bool(os.environ.get("CI"))


def effort(full: int, *, brief: int, variable: str = "") -> int:
    """Return how many repetitions to run.

    :param variable: an environment variable that overrides the number if it is set
    """
    given = os.environ.get(variable) if variable else None
    if given is not None:
        return int(given)
    return full if IS_FULL else brief
