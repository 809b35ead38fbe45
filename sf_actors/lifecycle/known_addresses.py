"""The addresses of a service as users know them: those given, with the ports that were taken."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sf_actors.definition.models import Model


class KnownAddresses:
    """The given addresses, with the actual ports in place of port 0; any thread."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._addresses: dict[str, Any] = _copied(given)

    def as_dict(self) -> dict[str, Any]:
        """Return a copy, in the shape in which they were given."""
        with self._lock:
            addresses: dict[str, Any] = _copied(self._addresses)
        return addresses

    def note(self, model: Model, socket: str, address: str) -> None:
        """Note where a socket is bound."""
        with self._lock:
            side = self._addresses.setdefault(model.kind, {}).setdefault(model.side, {})
            entry = side.get(model.name)
            if isinstance(entry, str):
                side[model.name] = address
            elif isinstance(entry, dict) and socket not in entry and len(model.sockets) == 1:
                side[model.name] = dict.fromkeys(entry, address)
            else:
                side[model.name] = {**(entry or {}), socket: address}


def _copied(addresses: Any) -> Any:
    """Return a copy of the dicts, at every depth."""
    if isinstance(addresses, Mapping):
        return {key: _copied(value) for key, value in addresses.items()}
    return addresses
