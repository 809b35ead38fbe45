"""Warns when the process has no descriptors left, which libzmq does not report.

Without descriptors libzmq accepts no connection, and retries silently for ever. Its event
ACCEPT_FAILED would cost two descriptors for each socket. It comes as often as it is read, some
30,000 times a second, and blocks libzmq's thread when nobody reads it. So the process checks for
itself on occasions that occur anyway: an actor reads or sends a heartbeat, a publisher sends, a
subscriber has heard nothing for some time, `stats()` is called. An idle service that only listens
has no such occasion; it loses only the early warning.
"""

from __future__ import annotations

import errno
import os
import resource
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.log.throttle import WARNING_INTERVAL_S, Throttle

if TYPE_CHECKING:
    from sf_actors.log import PackageLogger

#: Least time between two looks of the whole process, in seconds.
LOOK_PAUSE_S = 1.0


class Descriptors:
    """Checks the descriptors of this process; any thread.

    There is no lock: two threads at the same time only cost a second check or a second line.
    """

    def __init__(self) -> None:
        self.look_at = 0.0
        self._throttle = Throttle(WARNING_INTERVAL_S)
        self._is_logged = False

    def look(self, log: PackageLogger, now: float) -> None:
        """Log when no descriptor is left, at a limited rate, and when some are left again.

        A peer that takes and frees the last ones again and again causes no more lines.
        """
        self.look_at = now + LOOK_PAUSE_S
        if _is_one_left():
            if self._is_logged:
                self._is_logged = False
                log.info("descriptors are left again: connections are accepted")
            return
        left_out = self._throttle.admit("none is left", now)
        if left_out is not None:
            self._is_logged = True
            log.warning(
                "no descriptor is left: connections are not accepted until others end; raise the "
                "limit, for example with ulimit -n",
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                left_out=left_out,
            )


def _is_one_left() -> bool:
    try:
        # opens and closes one, with no moment between at which a signal handler may raise
        os.listdir(os.sep)  # noqa: PTH208 - iterdir does nothing before it is read
    except OSError as error:
        if error.errno is None:
            # none of the system's: a signal handler's, such as TimeoutError, on its way to the user
            raise
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


DESCRIPTORS = Descriptors()


def look_for_descriptors(log: PackageLogger) -> None:
    """Check the descriptors of the process unless that was done just now; any thread."""
    now = monotonic()
    if now >= DESCRIPTORS.look_at:
        DESCRIPTORS.look(log, now)
