"""The functions of a service file that have fixed names, and the results of its setup hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sf_actors.definition.config.json_file import plain
from sf_actors.definition.signature import (
    INIT,
    MAIN,
    SETUP,
    SETUP_ADDRESSES,
    SETUP_MODELS,
    SIGNAL,
    bind,
    takes_stopping,
)
from sf_actors.errors import DefinitionError
from sf_actors.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.definition.signature import Blocking
    from sf_actors.sync.stopping import Stopping

HOOKS = {
    "setup_config": SETUP,
    "setup_configs": SETUP,
    "setup_addresses": SETUP_ADDRESSES,
    "setup_connections": SETUP,
    "setup_states": SETUP,
    "setup_connection_models": SETUP_MODELS,
    "setup_state_models": SETUP_MODELS,
    "init_function": INIT,
    "main": MAIN,
    "sigint_handler": SIGNAL,
    "sigterm_handler": SIGNAL,
}
"""The functions that are called by name."""


class Hooks:
    """The functions of one service file, each bound to the arguments of its role.

    :param names: the names defined in the file
    :param where: the file, for messages
    :param stopping: the value of a parameter `stopping`
    :param blocking: makes coroutine functions plain ones
    :ivar take_stopping: True if a function has a parameter `stopping`
    :raises DefinitionError: a hook is not a function or has a wrong signature, or both spellings of
        one hook are used
    """

    def __init__(
        self,
        names: Mapping[str, object],
        *,
        where: str,
        stopping: Stopping,
        blocking: Blocking | None = None,
    ) -> None:
        self._where = where
        self.take_stopping = False
        self._bound: dict[str, Callable[..., Any]] = {}
        for name, role in HOOKS.items():
            function = names.get(name)
            if function is None:
                continue
            place = f"{where}: {name}"
            if not callable(function):
                raise DefinitionError(f"{place}: expected a function, got {shown(function)}")
            self._bound[name] = bind(
                function, role, where=place, stopping=stopping, blocking=blocking
            )
            self.take_stopping = self.take_stopping or takes_stopping(function, role)
        if {"setup_config", "setup_configs"} <= self._bound.keys():
            raise DefinitionError(
                f"{where}: expected one of 'setup_config' and 'setup_configs', got both"
            )

    def get(self, name: str) -> Callable[..., Any] | None:
        """Return a function by name, taking all arguments of its role by position, or None."""
        return self._bound.get(name)

    def place(self, name: str) -> str:
        """Return the name of a hook's result for messages: ``"svc.py: setup_states()"``."""
        return f"{self._where}: {name}()"

    def answer(self, name: str, *arguments: object) -> Mapping[Any, Any] | None:
        """Call a setup hook and return its dict; None if it returns None or is not defined.

        It gets copies of dicts and lists, so only its result can change something.

        :raises DefinitionError: it returns something else
        """
        hook = self._bound.get(name)
        if hook is None:
            return None
        answered = hook(*map(plain, arguments))
        if answered is not None and not isinstance(answered, Mapping):
            raise DefinitionError(f"{self.place(name)}: expected a dict, got {shown(answered)}")
        return answered

    def creation_arguments(
        self, name: str, config: Mapping[str, Any]
    ) -> dict[str, Mapping[Any, Any]]:
        """Call ``setup_connections`` or ``setup_states``; return creation arguments by model name.

        :raises DefinitionError: it returns something else than dicts by the names of models
        """
        found: dict[str, Mapping[Any, Any]] = {}
        for model, arguments in (self.answer(name, config) or {}).items():
            place = f"{self.place(name)}[{model!r}]"
            if not isinstance(model, str):
                raise DefinitionError(
                    f"{self.place(name)}: expected names of models, got {shown(model)}"
                )
            if arguments is not None and not isinstance(arguments, Mapping):
                raise DefinitionError(
                    f"{place}: expected a dict of creation arguments, got {shown(arguments)}"
                )
            found[model] = arguments or {}
        return found
