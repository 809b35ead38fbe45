"""Fakes of web frameworks for the README's snippets; the real ones are not installed."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _App:
    """An application that records which function serves which path."""

    def __init__(self, _name: str = "", *, lifespan: Callable[..., Any] | None = None) -> None:
        self.routes: dict[str, Callable[..., Any]] = {}
        self._lifespan = lifespan

    def get(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator for the function that serves a path."""

        def serve(function: Callable[..., Any]) -> Callable[..., Any]:
            self.routes[path] = function
            return function

        return serve

    def serving(self) -> Any:
        """Return the context of a running application."""
        assert self._lifespan is not None
        return self._lifespan(self)


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    return module


def fastapi() -> ModuleType:
    """Return a fake of the module `fastapi`."""
    return _module("fastapi", FastAPI=_App)


def flask() -> ModuleType:
    """Return a fake of the module `flask`."""
    return _module("flask", Flask=_App)
