"""A wake-up for a thread that polls: a descriptor that another thread makes readable."""

from __future__ import annotations

import os


class Wakeup:
    """A descriptor that another thread makes readable: an eventfd, else a pipe."""

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self.fd = self._in = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self.fd, self._in = os.pipe()
            os.set_blocking(self.fd, False)
            os.set_blocking(self._in, False)

    def set(self) -> None:
        """Make it readable; any thread. If the counter or pipe is full, it is readable already."""
        try:
            os.write(self._in, (1).to_bytes(8, "little"))
        except BlockingIOError:
            return

    def clear(self) -> None:
        """Make it unreadable again."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Free the descriptor; may be called twice."""
        for fd in {self.fd, self._in}:
            if fd >= 0:
                os.close(fd)
        self.fd = self._in = -1
