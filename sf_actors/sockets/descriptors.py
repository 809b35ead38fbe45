"""Whether the process has descriptors left, which libzmq does not tell of.

When there are none, libzmq accepts no connection, says nothing and tries again for ever. To be told
by its event ACCEPT_FAILED costs two descriptors for each socket, and the event comes as often as it
can be read, some 30,000 times a second, while libzmq's thread stands still when nobody reads. So
the process looks for itself, on occasions that come anyway: an actor reads or gives a sign of life,
a publisher sends, a subscriber has heard nothing for a while, somebody asks for the numbers. A
service that only listens and is idle has no such occasion, and loses nothing but the early warning.
"""

from __future__ import annotations

import errno
import os
import resource
from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.log.throttle import WARNING_INTERVAL_S, Throttle

if TYPE_CHECKING:
    from sf_actors.log import Logger

#: Least time between two looks of the whole process, in seconds.
LOOK_PAUSE_S = 1.0


class Descriptors:
    """What is known of the descriptors of this process; any thread.

    Two threads that look at once cost a second look or a second line, so there is no lock.
    """

    def __init__(self) -> None:
        self.look_at = 0.0
        self._throttle = Throttle(WARNING_INTERVAL_S)
        self._is_told = False

    def look(self, log: Logger, now: float) -> None:
        """Warn if none is left, once in a while, and tell when there are some again.

        Who takes and gives back the last ones over and over causes no more lines.
        """
        self.look_at = now + LOOK_PAUSE_S
        if _is_one_left():
            if self._is_told:
                self._is_told = False
                log.info("descriptors are left again: connections are accepted")
            return
        left_out = self._throttle.admit("none is left", now)
        if left_out is not None:
            self._is_told = True
            log.warning(
                "no descriptor is left: connections are not accepted until others end; raise the "
                "limit, for example with ulimit -n",
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                left_out=left_out,
            )


def _is_one_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


DESCRIPTORS = Descriptors()


def look_for_descriptors(log: Logger) -> None:
    """See whether the process has descriptors left, if nobody has looked just now; any thread."""
    now = monotonic()
    if now >= DESCRIPTORS.look_at:
        DESCRIPTORS.look(log, now)
