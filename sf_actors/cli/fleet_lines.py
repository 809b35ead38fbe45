"""Prints the log lines of all instances of a fleet to standard output."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sf_actors.cli.stderr import report
from sf_actors.log.outlet import Outlet
from sf_actors.log.rendering import to_json, to_text
from sf_actors.wording import escaped, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    #: takes the name of an instance and one of its lines
    Show = Callable[[str, dict[str, Any]], None]

#: Colours of instances, in turn; those of warnings and errors are not among them.
_COLOURS: Final = ("36", "32", "35", "34", "96", "92", "95", "94")


def nowhere(_name: str, _line: dict[str, Any]) -> None:
    """Discard a line, in place of `FleetLines.show`."""


class FleetLines:
    """Prints lines: on a terminal as text, one colour an instance, else as JSON; one thread.

    When nobody reads the terminal or pipe, lines are dropped rather than block the fleet, and a
    later line says how many.

    :param names: of the instances, for the width of their column
    :param as_json: JSON on a terminal too
    """

    def __init__(self, names: Iterable[str], *, as_json: bool = False) -> None:
        sys.stdout.flush()
        self._fd = sys.stdout.fileno()
        self._is_text = os.isatty(self._fd) and not as_json
        self._has_colour = self._is_text and "NO_COLOR" not in os.environ
        self._width = max(map(len, names), default=0)
        self._seen: dict[str, str] = {}
        self._outlet = Outlet(self._fd, self._dropped)

    def show(self, name: str, line: dict[str, Any]) -> None:
        """Print a line of an instance.

        :raises OSError: the reader of standard output is gone
        """
        self._outlet.write(self.line(name, line).encode("utf-8", "backslashreplace") + b"\n")

    def guarded(self, when_gone: Callable[[int], None]) -> Show:
        """Return a `show` that drops lines instead of raising.

        :param when_gone: called once, when lines can no longer be written, with the exit status: 0
            where the reader is gone, 1 after a line that says why, such as a full disk
        """
        is_gone = False

        def show(name: str, line: dict[str, Any]) -> None:
            nonlocal is_gone
            if is_gone:
                return
            try:
                self.show(name, line)
            except OSError as error:
                is_gone = True
                # a terminal that was closed raises EIO
                has_left = error.errno in {errno.EPIPE, errno.EIO}
                if not has_left:
                    with suppress(OSError):
                        report(f"standard output: {reason_of(error)}")
                when_gone(0 if has_left else 1)

        return show

    def line(self, name: str, line: dict[str, Any]) -> str:
        """Return a line as it is printed, without the newline."""
        if not self._is_text:
            return to_json({**line, "instance": name})
        text = to_text(
            {key: value for key, value in line.items() if key != "service"},
            colours=self._has_colour,
        )
        head = escaped(name).ljust(self._width)
        if self._has_colour:
            colour = self._seen.setdefault(name, _COLOURS[len(self._seen) % len(_COLOURS)])
            head = f"\x1b[{colour}m{head}\x1b[0m"
        return "\n".join(f"{head} | {part}" for part in text.split("\n"))

    def _dropped(self, count: int) -> str:
        return to_json({"level": "warning", "event": "lines dropped: nobody read them", "n": count})
