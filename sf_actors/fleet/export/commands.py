"""The command lines of a fleet's services under another engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.errors import FleetError
from sf_actors.fleet.outlines import XPUB, XSUB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.fleet.fleet import Fleet, FleetService


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """The paths and addresses of a service, as texts for its command line.

    :ivar name: of the instance
    :ivar number: of the instance; None if its config takes none
    :ivar addresses: the path of its addresses
    :ivar config: the path of its config; None without one
    :ivar keys: the folder of its keys; None without keys
    :ivar http: the address where it answers probes; None without one
    :ivar bus: a bus's own addresses, by socket
    """

    file: str
    name: str
    number: str | None
    addresses: str
    config: str | None
    keys: str | None
    http: str | None
    bus: Mapping[str, str]


def command_of(service: FleetService, at: Whereabouts) -> list[str]:
    """Return the arguments for the interpreter that run a service or a bus."""
    keys = [] if at.keys is None else ["--keys", at.keys]
    if service.is_bus:
        bus = ["bus", "--xsub", at.bus[XSUB], "--xpub", at.bus[XPUB]]
        return ["-m", "sf_actors", *bus, *keys]
    argv = ["-m", "sf_actors", "-s", at.file, "-a", at.addresses, "--name", at.name]
    if at.config is not None:
        argv += ["-c", at.config]
    if service.main:
        argv.append("-m")
    if service.loglevel is not None:
        argv += ["-cl", service.loglevel]
    argv += ["--stop_timeout_s", f"{service.stop_timeout_s:g}"]
    if service.allow_inbound:
        argv.append("--allow_inbound")
    if at.http is not None:
        argv += ["--http", at.http]
    argv += keys
    if at.number is not None:
        argv += ["--instance", at.number]
    return argv


def path_in_folder(fleet: Fleet, path: Path, what: str) -> Path:
    """Return a path relative to the fleet's folder, the only one that is sent elsewhere.

    :raises FleetError: it is not below the folder
    """
    try:
        return Path(path).resolve().relative_to(fleet.folder)
    except ValueError:
        raise FleetError(
            f"{fleet.path}: expected {what} below the fleet's folder, which is what travels, "
            f"got {path}"
        ) from None


def written_config(service: FleetService, *, has_number: bool) -> dict[str, Any] | None:
    """Return the config that the fleet file holds; None if it names a file or has no config.

    :param has_number: leave out the instance's number, which the command line gives
    """
    if isinstance(service.config, Path) or service.config is None:
        return None
    given = dict(service.config)
    if has_number and service.instances is not None:
        given.pop("instance", None)
    return given or None
