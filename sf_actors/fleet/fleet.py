"""The content of a fleet file, as data."""

from __future__ import annotations

from functools import cached_property
from os import fsencode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from sf_actors.definition.config.model import ConfigSource, read_config_file
from sf_actors.fleet.findings import shown_place

if TYPE_CHECKING:
    from collections.abc import Mapping

Restart = Literal["on-failure", "always", "never"]

#: The key of the config that holds the number of an instance.
INSTANCE = "instance"


class Partner(Struct, frozen=True):
    """The other end of an entry in `links`.

    :ivar model: None if only the service is named: a bus, or a model of the same name
    :ivar kind: 'connections' or 'states', if the entry says so
    """

    service: str
    model: str | None = None
    kind: str | None = None

    def __str__(self) -> str:
        steps = (self.service, self.kind, self.model)
        return "/".join(step for step in steps if step is not None)


class FleetService(Struct, frozen=True, kw_only=True):
    """One service of a fleet; keys as in the file, with their defaults.

    :ivar file: the service file, absolute; None for a bus
    :ivar config: as written, with variables of the environment, or the path of a file
    :ivar instances: None: one, with the name of the service
    :ivar links: by the name of a model, or 'connections/NAME', 'states/NAME'
    :ivar bind: by name as in `links`: an address, or addresses by socket; likewise `connect`,
        which may have lists of addresses
    :ivar loglevel: as for a flag, like `file_loglevel`; None: the default
    :ivar stop_timeout_s: in seconds
    """

    name: str
    file: Path | None = None
    is_bus: bool = False
    config: Mapping[str, Any] | Path | None = None
    main: bool = False
    instances: int | None = None
    after: tuple[str, ...] = ()
    links: Mapping[str, tuple[Partner, ...]] = field(default_factory=dict)
    bind: Mapping[str, Any] = field(default_factory=dict)
    connect: Mapping[str, Any] = field(default_factory=dict)
    host: str | None = None
    restart: Restart = "on-failure"
    ends_fleet: bool = False
    loglevel: str | None = None
    file_loglevel: str | None = None
    backup_count: int = 24
    stop_timeout_s: float = 10.0
    allow_inbound: bool = False
    http: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def encoded_env(self) -> dict[bytes, bytes]:
        """Its `env`, as the system takes it: in UTF-8, though the locale may know ASCII alone."""
        # what came from a variable that is not UTF-8 is passed on as it was
        return {
            name.encode(): value.encode("utf-8", "surrogateescape")
            for name, value in self.env.items()
        }

    @property
    def has_http_port(self) -> bool:
        """True if it answers HTTP at a fixed port, which only one process can have."""
        return self.http is not None and not self.http.endswith(":0")

    @property
    def instance_names(self) -> tuple[str, ...]:
        """The names of its instances, as in the file."""
        return self.names_of(self.instances)

    def names_of(self, count: int | None) -> tuple[str, ...]:
        """Return the names of `count` instances; None: the name of the only one."""
        if count is None:
            return (self.name,)
        return tuple(f"{self.name}#{number}" for number in range(1, count + 1))

    def config_source(self, *, number: int | None) -> ConfigSource:
        """Return the config of an instance; reads its file if it has one.

        :param number: of the instance, 1 for the only one; None if the `config_model` of the
            service does not declare `instance` (`ServiceOutline.takes_instance`)
        :raises ConfigError: the file cannot be read
        """
        where = f"services.{self.name}.config"
        given: Mapping[str, Any] = {}
        if isinstance(self.config, Path):
            where, given = str(self.config), read_config_file(self.config)
        elif self.config is not None:
            given = self.config
        if number is not None:
            instance = {INSTANCE: number}
            given = {**instance, **given} if self.instances is None else {**given, **instance}
        return ConfigSource(given, where=where)


class Fleet(Struct, frozen=True, kw_only=True, dict=True):
    """The services of one fleet file.

    :ivar path: the real path of the file, which identifies the fleet
    :ivar folder: the folder of the file, the working directory of all its services
    :ivar keys: the folder that has a folder of CURVE keys for each service
    :ivar ignore: findings that `check` does not report, as 'CODE SERVICE/MODEL'
    :ivar lines: line numbers in the file by key: ('services', 'exchange', 'bind')
    """

    name: str
    path: Path
    folder: Path
    keys: Path | None = None
    ignore: tuple[str, ...] = ()
    services: tuple[FleetService, ...] = ()
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, FleetService]:
        """The services by name, in the order of the file."""
        return {service.name: service for service in self.services}

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that identify this fleet on this machine."""
        from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, which no instance needs

        return sha256(fsencode(self.path)).hexdigest()[:8]

    def keys_of(self, service: str) -> Path | None:
        """Return the folder of a service's keys; None for a fleet without keys."""
        return None if self.keys is None else self.keys / service

    def place_of(self, *steps: str) -> str:
        """Return the place of a key in the file, as 'fleet.toml:7', or without a line if unknown.

        :param steps: the tables and the key: 'services', 'exchange', 'bind'; if its line is not
            known, the line of the innermost known table counts
        """
        for count in range(len(steps), 0, -1):
            line = self.lines.get(steps[:count])
            if line is not None:
                return f"{shown_place(str(self.path))}:{line}"
        return shown_place(str(self.path))
