"""Replaces standard streams that a process was started without."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Open the null device for each missing standard stream.

    Otherwise one of our sockets or files would get its descriptor, and receive what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
