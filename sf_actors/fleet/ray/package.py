"""Packages a fleet's folder for other machines: one package for all, and for each its own keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from msgspec.structs import replace

from sf_actors.errors import FleetError, KeysError
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.fleet.fleet import Fleet, FleetService

#: The suffixes of databases and secrets, which stay here.
_STAYING: Final = (".db", ".sqlite", ".sqlite3", "-journal", "-wal", "-shm", ".key_secret")
_LOGS: Final = "logs"
_CACHE: Final = "__pycache__"

#: A fixed time, so that the same files make the same package.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def files_of(folder: Path, keys: Path | None = None) -> Iterator[Path]:
    """Yield the files of a fleet's folder that are sent, in order, relative to it.

    :param keys: the folder of its keys, which are left out
    """
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name != _CACHE
            and not (here == folder and name == _LOGS)
            and not (keys is not None and here / name == keys)
        )
        for name in sorted(names):
            path = here / name
            if not name.startswith(".") and not name.endswith(_STAYING) and path.is_file():
                yield path.relative_to(folder)


def write_package(fleet: Fleet, to: Path) -> None:
    """Write the package of a fleet's folder as a zip file.

    :raises FleetError: a file cannot be read
    """
    with ZipFile(to, "w", ZIP_DEFLATED) as package:
        for name in files_of(fleet.folder, fleet.keys):
            path = fleet.folder / name
            about = ZipInfo(name.as_posix(), _EPOCH)
            about.compress_type = ZIP_DEFLATED
            try:
                about.external_attr = (path.stat().st_mode & 0o777) << 16
                package.writestr(about, path.read_bytes())
            except OSError as error:
                raise FleetError(f"{path} cannot travel: {reason_of(error)}") from None


def keys_of(fleet: Fleet, service: str) -> dict[str, bytes] | None:
    """Return the files of a service's own keys, by path below its folder.

    :raises KeysError: one cannot be read
    """
    folder = fleet.keys_of(service)
    if folder is None:
        return None
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    except OSError as error:
        raise KeysError(f"{folder}: {reason_of(error)}") from None


def write_keys(keys: dict[str, bytes], to: Path) -> None:
    """Write the keys of a service into a folder that is ours alone."""
    for name, content in keys.items():
        path = to / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)


def require_inside(fleet: Fleet) -> None:
    """Refuse services with files that would not be sent.

    :raises FleetError: one is not below the fleet's folder, or is excluded from the package
    """
    travelling = set(files_of(fleet.folder, fleet.keys))
    for service in fleet.services:
        for path in (service.file, service.config):
            if isinstance(path, Path) and _below(path, fleet.folder) not in travelling:
                place = fleet.place_of("services", service.name)
                raise FleetError(
                    f"{place}: expected a file that travels with the folder {fleet.folder}, "
                    f"got {str(path)!r}"
                )


def moved(service: FleetService, old: Path, new: Path) -> FleetService:
    """Return a service whose folder has moved from one place to another."""
    paths = {
        key: new / below
        for key, path in (("file", service.file), ("config", service.config))
        if isinstance(path, Path) and (below := _below(path, old)) is not None
    }
    return replace(service, **paths)


def moved_fleet(fleet: Fleet, new: Path) -> Fleet:
    """Return a fleet whose folder has moved."""
    return replace(
        fleet,
        path=new / fleet.path.name,
        folder=new,
        services=tuple(moved(service, fleet.folder, new) for service in fleet.services),
    )


def _below(path: Path, folder: Path) -> Path | None:
    plain = Path(os.path.normpath(path))
    return plain.relative_to(folder) if plain.is_relative_to(folder) else None
