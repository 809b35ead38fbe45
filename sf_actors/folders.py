"""Creates the folders that a file is to be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and its missing parents, none with more rights than `mode`, whatever the umask.

    `Path.mkdir` applies its mode to the last folder only, and leaves the parents to the umask.

    :raises OSError: it cannot be made
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=mode, exist_ok=True)
