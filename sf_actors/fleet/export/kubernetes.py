"""A fleet as Kubernetes manifests: a StatefulSet or Job, Service, ConfigMap and Secret each.

The image has the fleet's folder as its working directory. Peers reach a service that binds by the
names of its pods, even before these are ready: a service may need its peers to become ready.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sf_actors.errors import FleetError
from sf_actors.fleet.addresses import addresses_of, bound_in_order
from sf_actors.fleet.export.commands import (
    Whereabouts,
    command_of,
    path_in_folder,
    written_config,
)
from sf_actors.fleet.export.files import ExportedFile
from sf_actors.fleet.export.texts import json_text, yaml_text
from sf_actors.fleet.outlines import XPUB, XSUB
from sf_actors.sockets.endpoint import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sf_actors.fleet.addresses import Bound, SocketKey
    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.linking import Linked
    from sf_actors.fleet.outlines import ServiceOutline

_HEAD: Final = "# Written by `sf_actors export kubernetes`, which replaces it.\n"
_FIRST_PORT: Final = 27000
_PROBED: Final = 8600
_FILES: Final = "/etc/sf_actors"
#: A folder in the volume: the volume's own may be writable for all, which that of keys must not be.
_KEYS: Final = "/etc/sf_actors-keys/keys"
_GRACE_S: Final = 5
#: A StatefulSet labels its pods with its name and ten more characters; a label has at most 63.
_LONGEST: Final = 52
_NUMBER: Final = "$(SF_ACTORS_INSTANCE)"


@dataclass(frozen=True, eq=False)
class Manifests:
    """Makes the manifests of a fleet.

    :param image: the container image of the pods
    """

    fleet: Fleet
    outlines: Mapping[str, ServiceOutline]
    linked: Linked
    image: str

    def files(self) -> Iterator[ExportedFile]:
        """Yield the files.

        :raises FleetError: a name is not valid for Kubernetes, or a file is outside the folder
        """
        names = {service.name: self._name(service) for service in self.fleet.services}
        if len(set(names.values())) < len(names):
            raise FleetError(
                f"{self.fleet.path}: expected names that differ by more than case and _, got "
                f"{', '.join(names)}"
            )
        bound = bound_in_order(self.fleet, self.outlines, self._choose())
        for service in self.fleet.services:
            name = names[service.name]
            documents = self._workloads(service, bound)
            ports = self._ports(service, bound)
            if ports or not _is_job(service):
                documents.insert(0, self._headless(service, ports))
            texts = self._texts(service, bound)
            if texts:
                documents.insert(0, {**self._head("v1", "ConfigMap", service), "data": texts})
            yield ExportedFile(f"{name}.yaml", _HEAD + yaml_text(documents))
            secrets = self._secrets(service)
            if secrets:
                secret = {
                    **self._head("v1", "Secret", service),
                    "type": "Opaque",
                    "data": {
                        key: b64encode(path.read_bytes()).decode() for key, path in secrets.items()
                    },
                }
                content = _HEAD + yaml_text([secret])
                yield ExportedFile(f"{name}-secret.yaml", content, is_secret=True)

    def _name(self, service: FleetService) -> str:
        name = re.sub(r"[^a-z0-9-]", "-", f"{self.fleet.name}-{service.name}".lower()).strip("-")
        if len(name) > _LONGEST or not name[0].isalpha():
            raise FleetError(
                f"{self.fleet.path}: expected names of at most {_LONGEST} characters for "
                f"Kubernetes, which begin with a letter, got {name!r}; give the fleet another name"
            )
        return name

    def _head(self, version: str, kind: str, service: FleetService) -> dict[str, Any]:
        name = self._name(service)
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "labels": self._labels(service)},
        }

    def _labels(self, service: FleetService) -> dict[str, str]:
        fleet = re.sub(r"[^A-Za-z0-9_.-]", "-", self.fleet.name).strip("-_.")[:63].strip("-_.")
        return {
            "app.kubernetes.io/name": self._name(service),
            "app.kubernetes.io/part-of": fleet,
            "app.kubernetes.io/managed-by": "sf_actors",
        }

    def _choose(self) -> Any:
        """Return a function that gives each socket of a service a port, the same in all pods."""
        ports: dict[str, dict[SocketKey, int]] = {}
        taken = {
            service.name: {_http_port(service), *_outer_ports(service)}
            for service in self.fleet.services
        }

        def choose(instance: str, socket: SocketKey) -> str:
            name = instance.partition("#")[0]
            mine = ports.setdefault(name, {})
            if socket not in mine:
                used = taken[name] | set(mine.values())
                mine[socket] = next(port for port in range(_FIRST_PORT, 2**16) if port not in used)
            return f"0.0.0.0:{mine[socket]}"

        return choose

    def _ports(self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]]) -> list[int]:
        first = next(iter(bound[service.name].values()))
        endpoints = [parse(text, where="bind") for text in first.values()]
        return sorted({endpoint.port for endpoint in endpoints if endpoint.scheme == "tcp"})

    def _reach(self, instance: str, address: str) -> str:
        """Return the address by which others in the namespace reach a pod."""
        name, _, number = instance.partition("#")
        service = self.fleet.by_name[name]
        host = self._name(service)
        endpoint = parse(address, where="bind")
        if endpoint.scheme != "tcp" or endpoint.is_loopback:
            raise FleetError(
                f"{self.fleet.path}: services.{name}.bind: expected an address that other pods "
                f"reach, such as 0.0.0.0:{_FIRST_PORT}, got {address!r}"
            )
        if not _is_job(service):
            host = f"{host}-{number or 1}.{host}"
        elif len(service.instance_names) > 1:
            raise FleetError(
                f"{self.fleet.path}: services.{name}: expected one instance of a main that ends, "
                "since others connect to it by its name"
            )
        return f"{host}:{endpoint.port}"

    def _texts(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]]
    ) -> dict[str, str]:
        """Return the content of the ConfigMap of a service: its addresses and config files."""
        if service.is_bus:
            return {}
        given = addresses_of(
            service,
            self.outlines[service.name],
            service.instance_names[0],
            self.linked.links,
            bound,
            reach=self._reach,
        )
        texts = {"addresses.json": json_text(given)}
        config = written_config(service, has_number=self._takes_number(service))
        if config is not None:
            texts["config.json"] = json_text(config)
        return texts

    def _takes_number(self, service: FleetService) -> bool:
        if not self.outlines[service.name].takes_instance:
            return False
        given = service.config_source(number=None).given
        return service.instances is not None or "instance" not in given

    def _secrets(self, service: FleetService) -> dict[str, Path]:
        """Return the key files of a service, by their names in its Secret."""
        folder = self.fleet.keys_of(service.name)
        if folder is None:
            return {}
        found = {"own.key_secret": folder / "own.key_secret"}
        for part in ("authorized", "servers"):
            for path in sorted((folder / part).glob("*.key")):
                found[f"{part}.{path.name}"] = path
        for key in found:
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
                raise FleetError(f"{folder}: expected names of plain letters, got {key!r}")
        return found

    def _headless(self, service: FleetService, ports: list[int]) -> dict[str, Any]:
        given = [{"name": f"p{port}", "port": port} for port in ports]
        if not service.is_bus:
            given.append({"name": "http", "port": _http_port(service)})
        return {
            **self._head("v1", "Service", service),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {"app.kubernetes.io/name": self._name(service)},
                "ports": given,
            },
        }

    def _workloads(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]]
    ) -> list[dict[str, Any]]:
        """Return the StatefulSet of a service, or, if its main ends, a Job for each instance."""
        if not _is_job(service):
            return [self._stateful_set(service, bound)]
        limit = 0 if service.restart == "never" else 6
        jobs = []
        for instance in service.instance_names:
            job = self._head("batch/v1", "Job", service)
            number = instance.partition("#")[2]
            if number:
                job["metadata"] = {**job["metadata"], "name": f"{self._name(service)}-{number}"}
            template = self._template(service, bound, instance)
            jobs.append({**job, "spec": {"backoffLimit": limit, "template": template}})
        return jobs

    def _template(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]], instance: str | None
    ) -> dict[str, Any]:
        """Return the template of pods.

        :param instance: the instance that the pod runs; None: the pod's number tells
        """
        return {
            "metadata": {"labels": self._labels(service)},
            "spec": self._pod(service, bound, instance),
        }

    def _stateful_set(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]]
    ) -> dict[str, Any]:
        instance = service.name if service.instances is None else None
        name = self._name(service)
        return {
            **self._head("apps/v1", "StatefulSet", service),
            "spec": {
                "serviceName": name,
                "replicas": 1 if service.instances is None else service.instances,
                "ordinals": {"start": 1},
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
                "template": self._template(service, bound, instance),
            },
        }

    def _pod(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]], instance: str | None
    ) -> dict[str, Any]:
        mounts, volumes = [], []
        if not service.is_bus:
            mounts.append({"name": "files", "mountPath": _FILES, "readOnly": True})
            volumes.append({"name": "files", "configMap": {"name": self._name(service)}})
        secrets = self._secrets(service)
        if secrets:
            mounts.append({"name": "keys", "mountPath": str(Path(_KEYS).parent), "readOnly": True})
            items = [
                {"key": key, "path": f"keys/{_path_of(key)}", "mode": 0o400} for key in secrets
            ]
            secret = {"secretName": self._name(service), "items": items}
            volumes.append({"name": "keys", "secret": secret})
        container: dict[str, Any] = {
            "name": "service",
            "image": self.image,
            "command": ["python", *self._argv(service, bound, instance)],
            **self._probes(service, bound),
        }
        environment: list[dict[str, Any]] = [
            {"name": name, "value": _literal(value)} for name, value in service.env.items()
        ]
        if instance is None:
            label = "metadata.labels['apps.kubernetes.io/pod-index']"
            number = {"fieldRef": {"fieldPath": label}}
            environment.append({"name": "SF_ACTORS_INSTANCE", "valueFrom": number})
        if environment:
            container["env"] = environment
        if mounts:
            container["volumeMounts"] = mounts
        spec: dict[str, Any] = {
            "containers": [container],
            "terminationGracePeriodSeconds": math.ceil(service.stop_timeout_s) + _GRACE_S,
        }
        if _is_job(service):
            spec["restartPolicy"] = "Never" if service.restart == "never" else "OnFailure"
        if service.host is not None:
            spec["nodeSelector"] = {"sf-host": service.host}
        if volumes:
            spec["volumes"] = volumes
        return spec

    def _argv(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]], instance: str | None
    ) -> list[str]:
        config = None
        if isinstance(service.config, Path):
            config = str(path_in_folder(self.fleet, service.config, "a config"))
        elif written_config(service, has_number=self._takes_number(service)) is not None:
            config = f"{_FILES}/config.json"
        first = next(iter(bound[service.name].values()))
        bus = (
            {name: first["connections", "in", name, name] for name in (XSUB, XPUB)}
            if (service.is_bus)
            else {}
        )
        number = _NUMBER if instance is None else instance.partition("#")[2] or "1"
        file = "" if service.file is None else path_in_folder(self.fleet, service.file, "a file")
        at = Whereabouts(
            file=str(file),
            name=instance or f"{service.name}#\0",
            number=number if self._takes_number(service) else None,
            addresses=f"{_FILES}/addresses.json",
            config=config,
            keys=_KEYS if self.fleet.keys is not None else None,
            # probes come from outside the pod
            http=f"0.0.0.0:{_http_port(service)}",
            bus=bus,
        )
        words = command_of(service, at)
        return [
            word if word == _NUMBER else _literal(word).replace("\0", _NUMBER) for word in words
        ]

    def _probes(
        self, service: FleetService, bound: Mapping[str, Mapping[str, Bound]]
    ) -> dict[str, Any]:
        if service.is_bus:
            first = next(iter(bound[service.name].values()))
            port = parse(first["connections", "in", XPUB, XPUB], where="bind").port
            return {"readinessProbe": {"tcpSocket": {"port": port}}}
        port = _http_port(service)
        probes: dict[str, Any] = {
            "startupProbe": {
                "httpGet": {"path": "/livez", "port": port},
                "periodSeconds": 1,
                "failureThreshold": 60,
            },
            "livenessProbe": {"httpGet": {"path": "/livez", "port": port}, "periodSeconds": 10},
        }
        probes["readinessProbe"] = {
            "httpGet": {"path": "/readyz", "port": port},
            "periodSeconds": 2,
        }
        return probes


def _literal(text: str) -> str:
    """Escape a text so that Kubernetes does not expand it: `$(NAME)`, and `$$`, which is a `$`."""
    return text.replace("$", "$$")


def _http_port(service: FleetService) -> int:
    # a port that the machine chooses could not be told to the probes
    given = parse(service.http, where="http").port if service.http else 0
    outer = _outer_ports(service)
    return given or next(port for port in count(_PROBED) if port not in outer)


def _outer_ports(service: FleetService) -> set[int]:
    """Return the ports of `bind`."""
    return {parse(text, where="bind").port for text in _texts_in(service.bind.values())}


def _is_job(service: FleetService) -> bool:
    """Return True if a service runs as a Job, since its main may end."""
    return service.main and service.restart != "always"


def _path_of(key: str) -> str:
    """Return the path of a key file below the folder of keys: 'authorized/trader.key'."""
    for part in ("authorized", "servers"):
        if key.startswith(f"{part}."):
            return f"{part}/{key.removeprefix(f'{part}.')}"
    return key


def _texts_in(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts_in(value.values())
