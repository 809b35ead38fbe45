"""Folders that are made where something is to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder and those above it, each with that mode at most, however lax the umask is.

    `Path.mkdir` gives its mode to the last one alone, and the umask's to those above it.

    :raises OSError: it cannot be made
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=mode, exist_ok=True)
