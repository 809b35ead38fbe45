"""The open scopes of this process, for code that depends on their levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.sync.locks import new_rlock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.log.current import Scope


class OpenScopes:
    """The scopes of the running services, the newest last; any thread."""

    def __init__(self) -> None:
        self._lock = new_rlock()
        self._scopes: list[Scope] = []
        self._follow: Callable[[Sequence[Scope]], None] | None = None

    def add(self, scope: Scope) -> None:
        """Add a scope that was opened."""
        with self._lock:
            self._scopes.append(scope)
            self._notify()

    def remove(self, scope: Scope) -> None:
        """Remove a scope that was closed."""
        with self._lock:
            self._scopes.remove(scope)
            self._notify()

    def follow(self, follow: Callable[[Sequence[Scope]], None] | None) -> None:
        """Call a function with all scopes now, and at each change; None ends that."""
        with self._lock:
            self._follow = follow
            self._notify()

    def _notify(self) -> None:
        if self._follow is not None:
            self._follow(self._scopes)


OPEN_SCOPES = OpenScopes()
