"""The standard streams of a process that was started without them."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Give a process that was started without standard streams ones that lead nowhere.

    A socket or file of ours would get their numbers, and what is printed.
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
