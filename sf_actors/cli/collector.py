"""Pauses the garbage collector of a process of ours while it imports what it needs.

Imports make many objects and hardly any garbage, so the collector would look at the same classes
and functions again and again, and once more at the exit. `resume` leaves them out for good.
"""

from __future__ import annotations

import gc


class Collector:
    """The garbage collector; in the main thread.

    :ivar is_paused: it waits for `resume`
    """

    def __init__(self) -> None:
        self.is_paused = False

    def pause(self) -> None:
        """Make no collection until `resume`, unless somebody has turned them off altogether."""
        if gc.isenabled():
            gc.disable()
            self.is_paused = True

    def resume(self) -> None:
        """Collect again if it is paused, but nothing of what is there now."""
        if self.is_paused:
            self.is_paused = False
            gc.freeze()
            gc.enable()


COLLECTOR = Collector()
