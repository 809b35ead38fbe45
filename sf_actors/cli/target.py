"""The target of a verb: SERVICE[#N][@PID][/[in/|out/]MODEL], or MODEL alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sf_actors.errors import TargetError, UsageError
from sf_actors.wording import cut, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sf_actors.inspection.client import Responder

_TARGET = re.compile(r"([^/#@]+)(#[1-9]\d{0,8})?(@\d{1,9})?(?:/(?:(in|out)/)?([^/#@]+))?")
_FORM = "SERVICE[#N][@PID][/[in/|out/]MODEL]"

#: The types of models whose sockets usually bind: all messages pass there.
BINDING: Final = (
    "replyer",
    "publisher",
    "delta_update_out",
    "full_update_out",
    "timer",
)


_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target.

    :ivar service: the name within its process, `svc` or `svc#2`
    :ivar pid: the process, None for any
    :ivar side: `in`, `out`, or empty for either
    :ivar model: empty if the whole text may be either a service or a model
    :ivar is_first: `svc#1` was named: `svc`, or the first instance of a fleet's service
    """

    text: str
    service: str
    pid: int | None = None
    side: str = ""
    model: str = ""
    is_first: bool = False

    def is_service(self, pid: int | None, service: str) -> bool:
        """Return True if a service is the one that was named."""
        is_it = service == self.service or (self.is_first and service == f"{self.service}#1")
        return is_it and self.pid in (None, pid)

    def is_instance(self, pid: int | None, service: str) -> bool:
        """Return True if a service is one of several of the name: `svc#2`, if that is `svc`."""
        is_it = not self.is_first and service.rpartition("#")[0] == self.service
        return is_it and self.pid in (None, pid)


@dataclass(frozen=True, slots=True)
class RemoteService:
    """A running service, and its inspector.

    :ivar name: within its process: `svc`, `svc#2`
    :ivar pid: the process
    """

    inspector: Responder
    name: str
    pid: int | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.pid}" if self.pid else self.name


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model of a running service.

    :ivar kind: `connections` or `states`
    :ivar shape: its part of `info`: type, topic, arguments, `addresses` by socket, and if it is
        `secured` by keys
    """

    service: RemoteService
    kind: str
    side: str
    name: str
    shape: dict[str, Any]

    @property
    def type(self) -> str:
        """Its connection or state type."""
        return str(self.shape.get("type"))

    @property
    def address(self) -> str:
        """The name that `tap`, `ask` and `publish` use for it."""
        return f"{self.side}/{self.name}"

    def __str__(self) -> str:
        return f"{self.service}/{self.side}/{self.name}"


def parse_target(text: str) -> Target:
    """Parse a target.

    :raises UsageError: it is not valid
    """
    found = _TARGET.fullmatch(text)
    if found is None:
        raise UsageError(f"expected {_FORM} or MODEL, got {cut(text)!r}")
    service, number, pid, side, model = found.groups()
    if number not in (None, "#1"):
        service += number
    return Target(
        text, service, int(pid[1:]) if pid else None, side or "", model or "", number == "#1"
    )


def parse_service(text: str) -> Target:
    """Parse a target that must be a service.

    :raises UsageError: it is not valid, or names a model
    """
    target = parse_target(text)
    if target.model:
        raise UsageError(f"expected a service, got {cut(text)!r}, which names a model as well")
    return target


def chosen_service(target: Target, services: Sequence[RemoteService]) -> RemoteService:
    """Return the service that was named, or else the only one that the name may stand for.

    :raises UsageError: there are several
    :raises TargetError: there is none
    """
    found = [one for one in services if target.is_service(one.pid, one.name)]
    found = found or [one for one in services if target.is_instance(one.pid, one.name)]
    if not found:
        names = {one.name for one in services}
        hint = nearest(target.service, names - {target.service})
        if not hint and target.pid is not None and target.service in names:
            of_name = [str(one) for one in services if one.name == target.service]
            hint = f"; there is {', '.join(of_name)}"
        raise TargetError(f"expected a service that runs, got {target.text!r}{hint}")
    return _only(found, target, "service")


def models_of(service: RemoteService, info: dict[str, Any]) -> Iterator[RemoteModel]:
    """Yield the models in the `info` of a service, each with its addresses."""
    for kind, sides in info.get("models", {}).items():
        for side, models in sides.items():
            addresses = info.get("addresses", {}).get(kind, {}).get(side, {})
            for name, shape in models.items():
                place = {"addresses": addresses.get(name), "secured": info.get("secured")}
                yield RemoteModel(service, kind, side, name, shape | place)


def chosen_model(
    target: Target,
    models: Iterable[RemoteModel],
    is_usable: Callable[[RemoteModel], bool],
    *,
    what: str,
    prefers_binder: bool = False,
) -> RemoteModel:
    """Return the model that was named.

    :param models: the models of the services that may be meant
    :param is_usable: returns True for a model that the verb can use
    :param what: names the usable kind of model in error messages
    :param prefers_binder: if several fit, take the one that binds
    :raises UsageError: there are several
    :raises TargetError: there is none
    """
    seen = list(models)
    named = [one for one in seen if _is_named(target, one, target.is_service)]
    named = named or [one for one in seen if _is_named(target, one, target.is_instance)]
    found = [one for one in named if is_usable(one)]
    if not found:
        error = TargetError(_no_model(target, seen, named, is_usable, what))
        error.is_there = any(one.name in (target.model, target.service) for one in named)
        raise error
    if prefers_binder and len(found) > 1:
        found = [one for one in found if _binds(one)] or found
    return _only(found, target, what)


def _is_named(
    target: Target, model: RemoteModel, is_service: Callable[[int | None, str], bool]
) -> bool:
    if target.model:
        is_it = model.name == target.model and target.side in ("", model.side)
        return is_it and is_service(model.service.pid, model.service.name)
    is_model = model.name == target.service and target.pid in (None, model.service.pid)
    return is_model or is_service(model.service.pid, model.service.name)


def _binds(model: RemoteModel) -> bool:
    return bool(model.shape.get("binds", model.type in BINDING))


def _no_model(
    target: Target,
    seen: Sequence[RemoteModel],
    named: Sequence[RemoteModel],
    is_usable: Callable[[RemoteModel], bool],
    what: str,
) -> str:
    usable = [one for one in seen if is_usable(one)]
    if target.model or not named:
        wanted = target.model or target.service
        names = {one.name for one in usable}
        if not target.model:
            names |= {one.service.name for one in usable}
        hint = nearest(wanted, names - {wanted})
    else:
        hint = ""
    is_there = f", which is a {named[0].type}" if named else ""
    several = f"; it has {', '.join(sorted({one.name for one in usable}))}"
    if target.model and not hint and not named and usable:
        hint = several
    return f"expected a {what}, got {target.text!r}{is_there}{hint}"


def _only(found: Sequence[_Found], target: Target, what: str) -> _Found:
    if len(found) > 1:
        listed = ", ".join(map(str, found[:10])) + (", …" if len(found) > 10 else "")
        raise UsageError(f"expected one {what}, {target.text!r} may be {listed}")
    return found[0]
