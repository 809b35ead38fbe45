"""Standard streams that a process was started without, and output that cannot be written."""

from __future__ import annotations

import os
import sys

from sf_actors.cli.stderr import report
from sf_actors.wording import reason_of


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


def status_without(error: OSError) -> int:
    """Return the exit status after an error that is most likely one of standard output.

    A reader that has gone is silent; anything else, such as a full disk, is told.
    """
    if not isinstance(error, BrokenPipeError):
        report(reason_of(error))
        return 1
    # so that the flush at exit cannot fail
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 0
