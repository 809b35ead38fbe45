"""Ends a child process that user code has forked, once that user code returns."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn

from sf_actors.user_code.tracebacks import trimmed


def end_child(error: BaseException | None) -> NoReturn:
    """End this process with the outcome of the user's function; all else is a copy of the parent's.

    :param error: the exception of the function, if it raised one
    """
    status = 0
    with contextlib.suppress(BaseException):
        if isinstance(error, SystemExit):
            status = _status_of(error)
        elif error is not None:
            status = 1
            traceback.print_exception(trimmed(error))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    os._exit(status)


def _status_of(error: SystemExit) -> int:
    """Return the exit status that `sys.exit` asks for; print a text on standard error."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1
