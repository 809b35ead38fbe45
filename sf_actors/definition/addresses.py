"""Finds the address of each socket of each model in a file or a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from sf_actors.definition.config import json_file
from sf_actors.definition.config.json_file import plain
from sf_actors.definition.environment import Unset
from sf_actors.errors import AddressError
from sf_actors.sockets.endpoint import Endpoint, parse
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike


class Addressed(Protocol):
    """The attributes of a model that `resolve` needs."""

    @property
    def kind(self) -> str:
        """'connections' or 'states'."""

    @property
    def side(self) -> str:
        """'in' or 'out'."""

    @property
    def name(self) -> str:
        """The name of the model."""

    @property
    def sockets(self) -> tuple[str, ...]:
        """The names of its sockets; an external target has none."""

    @property
    def binds(self) -> Mapping[str, bool]:
        """By socket name: True if it binds, False if it connects."""

    @property
    def where(self) -> str:
        """The model's place, for messages."""


#: The sockets of connections that may have several addresses.
_WITH_LISTS = ("requester", "subscriber")

Resolved = dict[tuple[str, str, str], dict[str, Endpoint]]


def read_addresses_file(path: str | PathLike[str]) -> dict[str, object]:
    """Read the addresses file.

    :raises AddressError: it is unreadable, not JSON, or not an object
    """
    return json_file.read_object(path, what="addresses file", error=AddressError)


def resolve(
    addresses: object, models: Sequence[Addressed], *, where: str = "addresses"
) -> Resolved:
    """Return the address of each socket of each model; addresses of other models are ignored.

    :param addresses: `{"connections": {"in": {name: {socket: address}}, "out": …}, "states": …}`;
        None means {} for each dict; a single-socket model takes any one socket name, or the
        address alone
    :param where: the name of the addresses in messages
    :returns: `{(kind, side, name): {socket: Endpoint}}` for all models
    :raises AddressError: an address is missing, invalid, or not one that can be connected to
    """
    whole = _mapping(addresses, where=where)
    resolved: Resolved = {}
    for model in models:
        sockets: dict[str, Endpoint] = {}
        if model.sockets:
            entry, place = _find_entry(model, whole, where=where)
            for name in model.sockets:
                text, at = _find_address(model, name, entry, where=place)
                sockets[name] = _endpoint(model, name, text, where=at)
        resolved[model.kind, model.side, model.name] = sockets
    return resolved


def copied(addresses: Any) -> Any:
    """Return a copy of the dicts and lists, at every depth."""
    if isinstance(addresses, Mapping):
        return {key: copied(value) for key, value in addresses.items()}
    return list(addresses) if isinstance(addresses, list) else addresses


def note_bound(addresses: dict[str, Any], model: Addressed, socket: str, address: str) -> None:
    """Replace a socket's given address with the one that it is bound to."""
    side = addresses.setdefault(model.kind, {}).setdefault(model.side, {})
    entry = side.get(model.name)
    if isinstance(entry, str):
        side[model.name] = address
    elif isinstance(entry, dict) and socket not in entry and len(model.sockets) == 1:
        side[model.name] = dict.fromkeys(entry, address)
    else:
        side[model.name] = {**(entry or {}), socket: address}


def _parsed(text: object, *, where: str) -> Endpoint:
    if isinstance(text, Unset):
        raise AddressError(f"{where}: {text.problem}")
    return parse(plain(text), where=where)


def _endpoint(model: Addressed, socket_name: str, given: object, *, where: str) -> Endpoint:
    is_binder = model.binds[socket_name]
    if not isinstance(given, list | tuple):
        endpoint = _parsed(given, where=where)
        return endpoint if is_binder else endpoint.require_connectable()
    if is_binder or model.kind == "states" or socket_name not in _WITH_LISTS:
        raise AddressError(
            f"{where}: expected one address, got a list; a requester may have several, and a "
            "subscriber that connects"
        )
    if not given:
        raise AddressError(f"{where}: expected an address or more, got an empty list")
    found = [
        _parsed(text, where=f"{where}[{number}]").require_connectable()
        for number, text in enumerate(given)
    ]
    names = [endpoint.zmq_endpoint for endpoint in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise AddressError(f"{where}[{number}]: {found[number].text!r} stands there twice")
    return replace(found[0], others=tuple(found[1:]))


def _find_entry(model: Addressed, whole: Mapping[str, object], *, where: str) -> tuple[object, str]:
    """Return the model's entry in the addresses, and the entry's place for messages."""
    entry: object = whole
    place = where
    for step in (model.kind, model.side, model.name):
        given = _mapping(entry, where=place)
        if given.get(step) is None:
            names = [str(name) for name in given if name != step]
            hint = nearest(step, names) or _elsewhere(model, whole, where=where)
            got = f"None for {step!r}" if step in given else f"no {step!r}{hint}"
            raise AddressError(
                f"{place}: expected the address of {_sockets(model)} of {model.where}, got {got}"
            )
        entry = given[step]
        place += f"[{step!r}]"
    return entry, place


def _find_address(
    model: Addressed, socket_name: str, entry: object, *, where: str
) -> tuple[object, str]:
    """Return the given address of one socket, and its place."""
    is_single = len(model.sockets) == 1
    if isinstance(entry, str | list | tuple) and is_single:
        return entry, where
    if not isinstance(entry, Mapping):
        wanted = ", ".join(f"{name!r}: address" for name in model.sockets)
        raise AddressError(f"{where}: expected {{{wanted}}}, got {shown(entry)}")
    if socket_name in entry:
        return entry[socket_name], f"{where}[{socket_name!r}]"
    if is_single and len(entry) == 1:
        ((other, text),) = entry.items()
        return text, f"{where}[{other!r}]"
    names = [str(name) for name in entry]
    raise AddressError(
        f"{where}: expected the address of the socket {socket_name!r} of {model.where}, "
        f"got {', '.join(map(repr, names)) or 'none'}{nearest(socket_name, names)}"
    )


def _sockets(model: Addressed) -> str:
    names = " and ".join(map(repr, model.sockets))
    return f"the socket {names}" if len(model.sockets) == 1 else f"the sockets {names}"


def _elsewhere(model: Addressed, whole: Mapping[str, object], *, where: str) -> str:
    """Return a hint if another place of the addresses has the model's name, else ''."""
    for kind, sides in whole.items():
        for side, names in sides.items() if isinstance(sides, Mapping) else ():
            if isinstance(names, Mapping) and model.name in names:
                return f"; {model.name!r} stands in {where}[{kind!r}][{side!r}]"
    return ""


def _mapping(value: object, *, where: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise AddressError(f"{where}: expected a dict, got {shown(value)}")
    return value
