"""Sends that are made from within themselves: by a signal handler, or by a finalizer.

Python runs these between any two lines of a thread, also while it holds a lock. A plain lock would
make the thread wait for itself, so the locks of senders know their owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.errors import UsageError
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


def owned_lock() -> tuple[threading.RLock, Callable[[], bool]]:
    """Return a lock, and a function that tells whether the calling thread holds it; HOT.

    Both are C functions, so that no interrupt comes between taking the lock and knowing its owner.
    """
    lock: Any = new_rlock()
    return lock, lock._is_owned  # noqa: SLF001 - public in no version; Condition uses it too


def reentered(where: str) -> UsageError:
    """Return the error for a send within a send.

    :param where: the model
    """
    return UsageError(
        f"{where}: to_send was called by a signal handler or a finalizer while its thread was in "
        "the middle of the same; note there what is to be sent, and send it afterwards"
    )
