"""Creates the actors of a fleet's instances and keeps track of them, for the control actor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError

from sf_actors.errors import FleetError
from sf_actors.fleet.arrangement import Addresses
from sf_actors.fleet.ray.directory import Part, links_of
from sf_actors.fleet.ray.instance_actor import InstanceActor
from sf_actors.fleet.ray.names import actor_name, latest
from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sf_actors.fleet.addresses import SocketKey
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.ray.directory import Spot

#: How long an actor may take to start, in seconds: a node may have to be launched.
COMING_S: Final = 120.0

#: How long actors may take to clean up their nodes, in seconds.
LEAVING_S: Final = 2.0

#: How many methods of an actor may run at once: one waits for news while peers call others.
_CONCURRENCY: Final = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """What new actors are created from.

    :ivar fleet: with paths of the machine where its file was read
    :ivar package: the URI of the package of its folder
    :ivar keys: by service: its own keys
    """

    fleet: Fleet
    checked: Checked
    package: str
    keys: Mapping[str, dict[str, bytes] | None]

    def part(self, name: str) -> Part:
        """Return the part of it that the actor of an instance gets."""
        service = self.fleet.by_name[name.partition("#")[0]]
        outline = self.checked.outlines[service.name]
        number = name.partition("#")[2]
        return Part(
            name=name,
            service=service,
            folder=self.fleet.folder,
            number=int(number or 1) if outline.takes_instance else None,
            outline=outline,
            links=links_of(service.name, self.checked.linked.links),
            keys=self.keys.get(service.name),
        )


@dataclass(eq=False)
class ActorHandle:
    """An actor of an instance.

    :ivar design: what it was created from
    :ivar spot: where it is, once known
    """

    name: str
    generation: int
    actor: Any
    design: Design
    spot: Spot | None = None
    is_dead: bool = False


class ActorRegistry:
    """Creates actors and keeps track of them; any thread."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self._lock = new_rlock()
        self._current: dict[str, ActorHandle] = {}
        self._old: list[ActorHandle] = []
        self._renewed: ActorHandle | None = None
        self._generations: dict[str, int] = {}

    def adopt(self) -> list[str]:
        """Adopt the actors that exist already; returns the names of their instances."""
        for name, generation in latest(ray.util.list_named_actors()).items():
            with suppress(ValueError):
                actor = ray.get_actor(actor_name(name, generation))
                self._generations[name] = generation
                self._current[name] = ActorHandle(name, generation, actor, self.design)
        return list(self._current)

    def prepare(self, names: Iterable[str]) -> None:
        """Create the missing actors in parallel, and wait until they have started.

        :raises FleetError: one has not started in time
        """
        with self._lock:
            handles = [self._of(name) for name in names]
        asked = [(one, one.actor.spot.remote()) for one in handles if one.spot is None]
        refs = [ref for _, ref in asked]
        ready, _ = ray.wait(refs, num_returns=len(refs), timeout=COMING_S) if refs else ([], [])
        for one, ref in asked:
            if ref not in ready:
                raise FleetError(f"{one.name}: its actor is not there after {COMING_S:g} s")
            try:
                one.spot = ray.get(ref)
            except RayError as error:
                why = str(error).strip().partition("\n")[0]
                raise FleetError(f"{one.name}: its actor cannot run: {why}") from None

    def handle(self, name: str) -> ActorHandle:
        """Return the actor of an instance; a new one if the last one is dead."""
        with self._lock:
            return self._of(name)

    def spot(self, name: str) -> Spot:
        """Return where an instance is; creates its actor if there is none."""
        handle = self.handle(name)
        if handle.spot is None:
            self.prepare([name])
        if handle.spot is None:
            raise FleetError(f"{name}: its actor is another one already")
        return handle.spot

    def spots(self) -> dict[str, Spot]:
        """Return where all instances are, as far as known."""
        with self._lock:
            return {name: one.spot for name, one in self._current.items() if one.spot is not None}

    def renew(self, name: str) -> None:
        """Have the next actor of an instance be a new one, beside the present one."""
        with self._lock:
            old = self._current.pop(name, None)
            self._renewed = old
            if old is not None:
                self._old.append(old)

    def undo(self) -> None:
        """Undo the last `renew`."""
        with self._lock:
            old, self._renewed = self._renewed, None
            if old is not None and old in self._old:
                self._old.remove(old)
                new = self._current.get(old.name)
                if new is not None:
                    self._old.append(new)
                self._current[old.name] = old

    def is_outdated(self, name: str) -> bool:
        """Return True if the actor of an instance differs from one that would be created now."""
        with self._lock:
            handle = self._current.get(name)
            if handle is None:
                return False
            old, new = handle.design, self.design
            service = name.partition("#")[0]
            return old.package != new.package or old.keys.get(service) != new.keys.get(service)

    def sweep(self, wanted: Collection[str], used: Collection[ActorHandle]) -> None:
        """End the actors that are not needed any more.

        :param wanted: the instances of the fleet
        :param used: the actors with a supervised process
        """
        with self._lock:
            gone = [one for one in self._old if one not in used]
            self._old = [one for one in self._old if one in used]
            left = [
                one for one in self._current.values() if one.name not in wanted and one not in used
            ]
            for one in left:
                del self._current[one.name]
            gone += left
        _end_all(gone)

    def end(self) -> None:
        """End all actors."""
        with self._lock:
            everyone = [*self._old, *self._current.values()]
            self._old, self._current = [], {}
        _end_all(everyone)

    def _of(self, name: str) -> ActorHandle:
        found = self._current.get(name)
        if found is None or found.is_dead:
            self._current[name] = found = self._create(name, found)
        return found

    def _create(self, name: str, dead: ActorHandle | None) -> ActorHandle:
        design = self.design if dead is None else dead.design
        part = design.part(name)
        service = part.service
        generation = self._generations.get(name, -1) + 1
        self._generations[name] = generation
        stays = service.restart != "never" and not service.ends_fleet
        options: dict[str, Any] = {}
        if service.host is not None:
            options["label_selector"] = {"sf-host": service.host}
        actor = (
            ray.remote(InstanceActor)
            .options(
                name=actor_name(name, generation),
                lifetime="detached",
                num_cpus=0,
                max_restarts=-1 if stays else 0,
                max_concurrency=_CONCURRENCY,
                runtime_env={"working_dir": design.package},
                **options,
            )
            .remote(part, is_new=dead is None)
        )
        return ActorHandle(name, generation, actor, design)


class NodeAddresses(Addresses):
    """The addresses of instances, each on its own node.

    :param registry: the actors, which get their ports from the kernel
    """

    def __init__(self, registry: ActorRegistry) -> None:
        super().__init__(partial(_address, registry))
        self._registry = registry

    def renew(self, instance: str) -> None:
        """Give an instance a new actor, and so new addresses."""
        super().renew(instance)
        self._registry.renew(instance)

    def undo(self) -> None:
        """Undo the last `renew`."""
        super().undo()
        self._registry.undo()

    def is_outdated(self, instance: str) -> bool:
        """Return True if an instance's actor differs from one that would be created now."""
        return self._registry.is_outdated(instance)

    def forget(self, instance: str) -> None:
        """Look up the addresses of an instance again, after its actor was restarted."""
        super().renew(instance)


def _address(registry: ActorRegistry, instance: str, socket: SocketKey) -> str:
    return registry.spot(instance).bound[socket]


def _end_all(gone: Collection[ActorHandle]) -> None:
    """End actors, after those that answer have cleaned up their nodes."""
    refs = [one.actor.leave.remote() for one in gone]
    if refs:
        ray.wait(refs, num_returns=len(refs), timeout=LEAVING_S)
    for one in gone:
        end(one.actor)


def end(actor: Any) -> None:
    """End an actor; its process, if still running, notices that."""
    with suppress(RayError, ValueError):
        ray.kill(actor, no_restart=True)


def answered(ref: Any, wait_s: float) -> Any:
    """Return the answer of an actor, None if it does not come in time."""
    try:
        return ray.get(ref, timeout=wait_s)
    except (RayError, GetTimeoutError):
        return None
