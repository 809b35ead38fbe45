"""The addresses of a service in the form users gave, with actual ports in place of port 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.definition.addresses import copied, note_bound
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sf_actors.definition.models import Model


class KnownAddresses:
    """The given addresses, with the actual ports in place of port 0; any thread."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._lock = new_lock()
        self._addresses: dict[str, Any] = copied(given)

    def as_dict(self) -> dict[str, Any]:
        """Return a copy, in the form in which they were given."""
        with self._lock:
            addresses: dict[str, Any] = copied(self._addresses)
        return addresses

    def note(self, model: Model, socket: str, address: str) -> None:
        """Note the address that a socket is bound to."""
        with self._lock:
            note_bound(self._addresses, model, socket, address)
