"""The end of a child process whose user code has forked and then returned."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn

from sf_actors.user_code.tracebacks import trimmed


def end_child(error: BaseException | None) -> NoReturn:
    """End this process as the user's function ended: all else in it is a copy of the parent's.

    :param error: what the function raised
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
    """Return the exit status that `sys.exit` asks for; a text is told on standard error."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1
