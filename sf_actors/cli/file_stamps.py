"""Stamps of files, by which a change is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def stamps_of(paths: Iterable[Path]) -> dict[str, str]:
    """Return the stamps of files by path; a missing file has an empty stamp."""
    return {str(path): _stamp(path) for path in paths}


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
