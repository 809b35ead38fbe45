"""What the snippets of the README use of web frameworks, which are not installed for the tests."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _App:
    """An application that knows which function serves which path."""

    def __init__(self, _name: str = "", *, lifespan: Callable[..., Any] | None = None) -> None:
        self.routes: dict[str, Callable[..., Any]] = {}
        self._lifespan = lifespan

    def get(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator of the function that serves a path."""

        def serve(function: Callable[..., Any]) -> Callable[..., Any]:
            self.routes[path] = function
            return function

        return serve

    def serving(self) -> Any:
        """Return the context in which a server has started the application."""
        assert self._lifespan is not None
        return self._lifespan(self)


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    return module


def fastapi() -> ModuleType:
    """Return a module in the place of FastAPI."""
    return _module("fastapi", FastAPI=_App)


def flask() -> ModuleType:
    """Return a module in the place of Flask."""
    return _module("flask", Flask=_App)
