"""Fleets as real processes: service files in a folder, and what runs them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: A service that is READY at once and does nothing.
QUIET = """
def init_function(to_send, states, config):
    print("begun")
"""


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes whose working directory is a folder: what is left of a fleet there."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if (entry / "cwd").resolve() == folder.resolve():
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:
                        found[int(entry.name)] = command
    return found
