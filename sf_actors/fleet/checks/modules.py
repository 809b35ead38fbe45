"""E402: services that cannot share a process, since their modules have the same names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.definition.local_modules import LocalModules
from sf_actors.errors import DefinitionError
from sf_actors.fleet.findings import Finding, shown_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.fleet.fleet import Fleet


def shared_modules(fleet: Fleet) -> Iterator[Finding]:
    """Yield the services that would import a module from another's folder; executes nothing."""
    held: list[LocalModules] = []
    try:
        for service in fleet.services:
            if service.file is None:
                continue
            file = Path(service.file)
            local = LocalModules(file, [file.parent, fleet.folder])
            try:
                local.hold()
                held.append(local)
            except DefinitionError as error:
                message = str(error).removeprefix(f"{file}: ")
                yield Finding("E402", service.name, "", message, shown_place(str(file)))
    finally:
        for local in held:
            local.release()
