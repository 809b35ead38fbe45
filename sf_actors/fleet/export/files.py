"""Writes exported files into a folder, replacing those of the last export and no others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sf_actors.errors import SfActorsError
from sf_actors.folders import make_folder
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The file that lists the last export, by which the next one knows its own files.
LIST: Final = ".sf_actors-export"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file.

    :ivar name: relative to the folder
    """

    name: str
    content: str
    is_secret: bool = False


def write_all(folder: Path, files: Sequence[ExportedFile]) -> list[Path]:
    """Write the files of an export, and remove those of the last one that are not in it.

    :returns: the paths that were written
    :raises SfActorsError: a file exists that is not from an export, and nothing was written; or a
        file cannot be written
    """
    try:
        before = _listed(folder)
        names = [file.name for file in files]
        for name in names:
            if name not in before and os.path.lexists(folder / name):
                raise SfActorsError(
                    f"{folder / name} is there and was not written by an export; nothing was "
                    "written: choose another folder, or remove it"
                )
        make_folder(folder, 0o755)
        # the list first, so that files of an interrupted export are known as its own
        _write(folder / LIST, "".join(f"{name}\n" for name in sorted({*before, *names})), 0o644)
        for file in files:
            make_folder((folder / file.name).parent, 0o755)
            _write(folder / file.name, file.content, 0o600 if file.is_secret else 0o644)
        for name in before - set(names):
            (folder / name).unlink(missing_ok=True)
        _write(folder / LIST, "".join(f"{name}\n" for name in sorted(names)), 0o644)
    except OSError as error:
        raise SfActorsError(f"cannot write to {folder}: {reason_of(error)}") from None
    return [folder / name for name in names]


def _listed(folder: Path) -> set[str]:
    try:
        names = (folder / LIST).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    # a forged list must not lead outside the folder
    return {name for name in names if name and not name.startswith("/") and ".." not in name}


def _write(path: Path, content: str, mode: int) -> None:
    """Write a file atomically, with its mode from the beginning."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
    beside.replace(path)
