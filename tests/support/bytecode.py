"""Stale bytecode that the import system takes for that of a newer source."""

from __future__ import annotations

import os
import py_compile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def compile_file(path: Path) -> None:
    """Write the bytecode of a file, as importing it would."""
    py_compile.compile(str(path), doraise=True)


def replace_unseen(path: Path, text: str) -> None:
    """Replace a file's content, keeping its size and modification time.

    :param text: as long as the old content
    """
    status = path.stat()
    assert len(text.encode()) == status.st_size
    new = path.with_suffix(".new")
    new.write_text(text)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)


def replace(path: Path, text: str) -> None:
    """Replace a file's content at once: nobody who watches it finds it empty."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
