"""Checks that the system can start threads, since libzmq aborts the process if it cannot.

A context starts its threads with its first socket, and libzmq reports no error for a thread that
cannot be started.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import Final

from sf_actors.errors import BindError

#: How long the system may take to free a thread that has ended, in seconds.
LETTING_GO_S: Final = 1.0

_NO_THREAD: Final = "can't start new thread"


def is_no_thread_left(error: BaseException) -> bool:
    """Return True for Python's error about a thread that could not be started."""
    return isinstance(error, RuntimeError) and error.args == (_NO_THREAD,)


def no_thread_left(where: str) -> BindError:
    """Return the error for a start when no thread is left."""
    return BindError(
        f"{where}: {_NO_THREAD}: the system has none left, or no memory for its stack; raise the "
        "limit of the user (ulimit -u), of memory (ulimit -v) or of the container (pids), or run "
        "fewer threads"
    )


def require_threads(count: int, *, where: str) -> None:
    """Fail before libzmq can abort the process for lack of threads.

    Another process of the user may still take the last threads right after this.

    :raises BindError: fewer than `count` can be started
    """
    may_end = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=may_end.wait, name="sf_actors/limit", daemon=True)
            threads.append(thread)
            thread.start()
    except RuntimeError as error:
        if not is_no_thread_left(error):
            raise
        raise no_thread_left(where) from None
    finally:
        may_end.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
                _wait_until_let_go(thread)


def _wait_until_let_go(thread: threading.Thread) -> None:
    """Wait until the system no longer counts a thread: some microseconds after its end."""
    entry = f"/proc/self/task/{thread.native_id}"
    until = monotonic() + LETTING_GO_S
    # there is no event for it
    while os.path.exists(entry) and monotonic() < until:  # noqa: PTH110 - the cheapest look
        os.sched_yield()
