"""The limit of open file descriptors of this process."""

from __future__ import annotations

import os
import resource


def raise_descriptor_limit() -> None:
    """Raise the soft limit to the hard one: each service or inspected process needs a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # some systems report a hard limit that they do not grant
            os.write(2, b"sf_actors: the limit of descriptors could not be raised\n")
