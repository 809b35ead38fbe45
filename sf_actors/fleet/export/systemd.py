"""A fleet as units of systemd: a unit or a template of instances for each service, and a target.

Sockets are in the units' runtime folder. Between machines, which `host` names, addresses are tcp.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import FleetError
from sf_actors.fleet.addresses import addresses_of, bound_in_order, connectable
from sf_actors.fleet.export.commands import Whereabouts, command_of, written_config
from sf_actors.fleet.export.files import ExportedFile
from sf_actors.fleet.export.texts import json_text
from sf_actors.fleet.outlines import XPUB, XSUB
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sf_actors.fleet.addresses import SocketKey
    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.outlines import ServiceOutline

_HEAD: Final = "# Written by `sf_actors export systemd`, which replaces it.\n"
_RESTARTS: Final = {"on-failure": "on-failure", "always": "always", "never": "no"}
#: The first port of addresses between machines.
_FIRST_PORT: Final = 27100
#: Placeholder for the % of a specifier; no text of a fleet file can contain it.
_PERCENT: Final = "\0"
_CONTROL: Final = re.compile(r"[\x01-\x1f\x7f]")
_INSTANCE: Final = f"@{_PERCENT}i"
#: How much longer systemd waits than the service's own stop timeout, in seconds.
_GRACE_S: Final = 5


@dataclass(frozen=True, eq=False)
class Units:
    """Makes the units of a fleet.

    :param root: the fleet's folder on the machine that runs it
    :param python: the interpreter on that machine
    :param out: the folder that the files are written to; if it is below the fleet's folder, the
        units expect it at the same place below `root`
    """

    fleet: Fleet
    outlines: Mapping[str, ServiceOutline]
    linked: Linked
    root: Path
    python: str
    out: Path

    def files(self) -> Iterator[ExportedFile]:
        """Yield the files.

        :raises FleetError: some services have a host and others have none
        """
        hosts = list(dict.fromkeys(service.host for service in self.fleet.services))
        if len(hosts) > 1 and None in hosts:
            names = [service.name for service in self.fleet.services if service.host is None]
            raise FleetError(
                f"{self.fleet.path}: expected a host for each service, since some have one, got "
                f"none for {', '.join(names)}"
            )
        addresses = self._addresses()
        for service in self.fleet.services:
            folder = _folder_of(service, hosts)
            for instance in service.instance_names:
                if not service.is_bus:
                    name = instance.replace("#", "@")
                    text = json_text(addresses[instance])
                    yield ExportedFile(f"{folder}addresses/{name}.json", text)
            config = written_config(service, has_number=self._takes_number(service))
            if config is not None:
                yield ExportedFile(f"{folder}config/{service.name}.json", json_text(config))
            text = self._unit(service, folder, addresses)
            yield ExportedFile(f"{folder}{self._unit_name(service)}", text)
        for host in hosts:
            services = [one for one in self.fleet.services if one.host == host]
            folder = _folder_of(services[0], hosts)
            yield ExportedFile(f"{folder}{self._target}", self._target_text(services))

    @property
    def _target(self) -> str:
        return f"{_escaped(self.fleet.name)}.target"

    def _unit_name(self, service: FleetService, instance: str | None = None) -> str:
        """Return the name of a unit, or without an instance the name of its file."""
        name = f"{_escaped(self.fleet.name)}-{_escaped(service.name)}"
        if service.instances is None:
            return f"{name}.service"
        number = "" if instance is None else instance.partition("#")[2]
        return f"{name}@{number}.service"

    def _unit_names(self, service: FleetService) -> list[str]:
        return [self._unit_name(service, instance) for instance in service.instance_names]

    def _takes_number(self, service: FleetService) -> bool:
        outline = self.outlines[service.name]
        if not outline.takes_instance:
            return False
        given = service.config_source(number=None).given
        return service.instances is not None or "instance" not in given

    def _addresses(self) -> dict[str, dict[str, Any]]:
        numbers, ports = count(), count(_FIRST_PORT)
        apart = self._reached_from_elsewhere()

        def choose(instance: str, socket: SocketKey) -> str:
            if (instance.partition("#")[0], *socket) in apart:
                return f"0.0.0.0:{next(ports)}"
            return f"ipc://${{RUNTIME_DIRECTORY}}/{next(numbers)}"

        bound = bound_in_order(self.fleet, self.outlines, choose)
        return {
            instance: addresses_of(
                service,
                self.outlines[service.name],
                instance,
                self.linked.links,
                bound,
                reach=self._reach_from(service),
            )
            for service in self.fleet.services
            for instance in service.instance_names
        }

    def _reached_from_elsewhere(self) -> set[tuple[str, ...]]:
        """Return the binding sockets that services on other machines connect to."""
        by_name = self.fleet.by_name
        return {
            (binder.service, binder.kind, binder.side, binder.model, binder.socket)
            for link in self.linked.links
            for joint in link.joints
            if by_name[(binder := joint.binder).service].host
            != by_name[joint.connector.service].host
        }

    def _reach_from(self, service: FleetService) -> Any:
        def reach(instance: str, address: str) -> str:
            if address.startswith("ipc://"):
                return address
            host = self.fleet.by_name[instance.partition("#")[0]].host
            here = connectable(address)
            endpoint = parse(address, where="bind")
            if host is None or host == service.host:
                return here
            if endpoint.is_loopback:
                raise FleetError(
                    f"{self.fleet.path}: expected an address that other machines reach, got "
                    f"{address!r} of {instance}, to which {service.name} connects"
                )
            if here == address:
                return here
            return f"{host}:{endpoint.port}"

        return reach

    def _found_at(self, name: str) -> str:
        """Return the path of a file of this export on the machine that runs it."""
        out = self.out.resolve()
        if out.is_relative_to(self.fleet.folder):
            return str(self.root / out.relative_to(self.fleet.folder) / name)
        return str(out / name)

    def _there(self, path: Path) -> str:
        """Return the path of a file of the fleet on the machine that runs it."""
        real = path.resolve()
        if real.is_relative_to(self.fleet.folder):
            return str(self.root / real.relative_to(self.fleet.folder))
        return str(real)

    def _unit(
        self, service: FleetService, folder: str, addresses: Mapping[str, dict[str, Any]]
    ) -> str:
        many = service.instances is not None
        config = None
        if isinstance(service.config, Path):
            config = self._there(service.config)
        elif written_config(service, has_number=self._takes_number(service)) is not None:
            config = self._found_at(f"{folder}config/{service.name}.json")
        keys = self.fleet.keys_of(service.name)
        at = Whereabouts(
            file="" if service.file is None else self._there(service.file),
            name=f"{service.name}#{_PERCENT}i" if many else service.name,
            number=(f"{_PERCENT}i" if many else "1") if self._takes_number(service) else None,
            addresses=self._found_at(
                f"{folder}addresses/{service.name}{_INSTANCE if many else ''}.json"
            ),
            config=config,
            keys=None if keys is None else self._there(keys),
            http=service.http,
            bus=self._bus(service, addresses),
        )
        argv = " ".join(map(_quoted, [self.python, *command_of(service, at)]))
        runtime = self._runtime
        after = [
            name for one in service.after for name in self._unit_names(self.fleet.by_name[one])
        ]
        order = f"After={' '.join(after)}\nWants={' '.join(after)}\n" if after else ""
        environment = "".join(
            f"Environment={_quoted(f'{name}={value}', is_command=False)}\n"
            for name, value in service.env.items()
        )
        title = f"{self.fleet.name}: {service.name}".replace("%", "%%")
        return (
            f"{_HEAD}[Unit]\n"
            f"Description={title}{' %i' if many else ''}\n"
            f"PartOf={self._target}\n"
            f"{order}"
            "StartLimitIntervalSec=60\n"
            "StartLimitBurst=6\n"
            "\n[Service]\n"
            "Type=notify\n"
            f"WorkingDirectory={str(self.root).replace('%', '%%')}\n"
            f"RuntimeDirectory={runtime}\n"
            "RuntimeDirectoryMode=0700\n"
            "RuntimeDirectoryPreserve=yes\n"
            f"{environment}"
            f"ExecStart={argv}\n"
            f"Restart={_RESTARTS[service.restart]}\n"
            "RestartSec=0.2\n"
            "RestartPreventExitStatus=2\n"
            f"TimeoutStopSec={math.ceil(service.stop_timeout_s) + _GRACE_S}\n"
            "KillMode=mixed\n"
        )

    @property
    def _runtime(self) -> str:
        return f"sf_actors-{self.fleet.mark}"

    def _bus(
        self, service: FleetService, addresses: Mapping[str, dict[str, Any]]
    ) -> Mapping[str, str]:
        """Return the addresses of a bus, in the form of its command line."""
        if not service.is_bus:
            return {}
        given = addresses[service.name]["connections"]["in"]
        variable = "${RUNTIME_DIRECTORY}"
        return {
            name: given[name].replace(variable, f"{_PERCENT}t/{self._runtime}")
            for name in (XSUB, XPUB)
        }

    def _target_text(self, services: list[FleetService]) -> str:
        wants = " ".join(name for one in services for name in self._unit_names(one))
        ends = [name for one in services if one.ends_fleet for name in self._unit_names(one)]
        bound = f"BindsTo={' '.join(ends)}\nAfter={' '.join(ends)}\n" if ends else ""
        return (
            f"{_HEAD}[Unit]\n"
            f"Description={self.fleet.name.replace('%', '%%')}: a fleet of sf_actors\n"
            f"Wants={wants}\n"
            f"{bound}"
            "\n[Install]\n"
            "WantedBy=multi-user.target\n"
        )


def _folder_of(service: FleetService, hosts: list[str | None]) -> str:
    return f"{_escaped(service.host or '')}/" if len(hosts) > 1 else ""


def _escaped(name: str) -> str:
    """Escape a name for use in the name of a unit or folder."""
    return "".join(
        one if one.isascii() and (one.isalnum() or one in "_.-") else "_" for one in name
    )


def _quoted(word: str, *, is_command: bool = True) -> str:
    """Quote a word for a unit file."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if is_command:
        text = text.replace("$", "$$")
    # a carriage return ends a line of a unit file too
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace(_PERCENT, "%"))
    is_plain = all(one.isalnum() or one in "/._-:%=@+," for one in text)
    return text if is_plain and text else f'"{text}"'
