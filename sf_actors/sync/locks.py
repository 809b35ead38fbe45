"""Locks that a `with` statement releases whatever a signal handler raises.

A lock of Python 3.14 may stay taken for ever: an exception of a signal handler, such as Ctrl-C, can
come after the lock was taken and before the body (https://github.com/python/cpython/issues/148874).
Other versions have no such gap. A lock that one thread takes and another releases is no matter for
`with`: it is a `threading.Lock`.
"""

from __future__ import annotations

import _thread
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


#: The class is final in the types, but not in C.
_RLock: Any = _thread.RLock


class EnteredLock(_RLock):  # type: ignore[misc]
    """A lock with an `__enter__` in Python: an exception comes either within it, or in the body.

    It is released by C code as before, which nothing can break off. It must know its owner, so that
    it can be taken again by the thread that has it.
    """

    __slots__ = ()

    def __enter__(self) -> Any:
        """Take it."""
        try:
            return self.acquire()
        except BaseException:
            if self._is_owned():
                self.release()
            raise


#: Whether `with` may leave a lock of `threading` taken.
_HAS_GAP: Final = sys.version_info[:2] == (3, 14)

#: Returns a lock for `with`.
new_lock: Final[Callable[[], threading.Lock]] = EnteredLock if _HAS_GAP else threading.Lock
#: Returns a lock for `with` that the thread that has it may take again.
new_rlock: Final[Callable[[], threading.RLock]] = EnteredLock if _HAS_GAP else threading.RLock
