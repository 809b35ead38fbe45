"""Loads a service file: checks its definitions, and prepares its functions for calls.

`load` executes the file, `ServiceFile.prepare` runs its setup hooks. The order of a start::

    load: the file, config_model, the signatures of hooks, init_function, main, signal hooks
    prepare: setup_config -> config -> setup_addresses
             -> setup_connection_models, setup_connections -> connections
             -> setup_state_models, setup_states -> states
             -> the signatures of handlers -> addresses
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sf_actors.definition.addresses import resolve
from sf_actors.definition.config.json_file import plain
from sf_actors.definition.config.model import ConfigModel, flatten
from sf_actors.definition.environment import expanded
from sf_actors.definition.hooks import Hooks
from sf_actors.definition.models import build_models
from sf_actors.definition.names import require_names
from sf_actors.definition.signature import (
    HANDLER,
    STATUS,
    bind,
    bind_in_state,
    takes_stopping,
)
from sf_actors.definition.source import ExecutedFile
from sf_actors.errors import DefinitionError
from sf_actors.sync.event import LightEvent
from sf_actors.sync.stopping import Stopping
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.definition.addresses import Resolved
    from sf_actors.definition.config.model import ConfigSource
    from sf_actors.definition.model_types import Kind, Side
    from sf_actors.definition.models import Model
    from sf_actors.definition.signature import Blocking

    Key = tuple[Kind, Side, str]


class Definition(Struct, frozen=True, eq=False):
    """The content of a service file, for one run.

    :param given_addresses: the addresses as given, or as returned by `setup_addresses`
    :param addresses: model key -> socket name -> `Endpoint`
    :param models: connections, then states, inbound ones first
    :param handlers: by model key; they take (args, to_send, states, config)
    :param status_handlers: by model key; they take (status, to_send, states, config)
    :param init: takes (to_send, states, config), as does `main`, which is None in service mode
    :param sigint: takes (signum, frame, to_send, states, config), as does `sigterm`
    :param stop_begun: set when the stop begins; functions see it through `stopping`
    :param takes_stopping: a function has `stopping`, so `main` may send for longer
    """

    name: str
    config: dict[str, Any]
    given_addresses: Mapping[str, Any]
    addresses: Resolved
    models: tuple[Model, ...]
    handlers: Mapping[Key, Callable[..., Any]]
    status_handlers: Mapping[Key, Callable[..., Any]]
    init: Callable[..., Any] | None
    main: Callable[..., Any] | None
    sigint: Callable[..., Any] | None
    sigterm: Callable[..., Any] | None
    stop_begun: LightEvent
    takes_stopping: bool


class Described(Struct, frozen=True, eq=False):
    """The content of a service file after its setup hooks, for a description; nothing is opened.

    :param addresses: as given, or as returned by `setup_addresses`; None: it did not run
    """

    name: str
    config: dict[str, Any]
    models: tuple[Model, ...]
    addresses: Mapping[str, Any] | None


def load(
    source: str | os.PathLike[str] | ModuleType, *, blocking: Blocking | None = None
) -> ServiceFile:
    """Execute a service file afresh, or take a module as it is, and check its hooks and config.

    Runs user code: the file.

    :param blocking: makes coroutine functions plain ones; None: they are refused
    :raises DefinitionError: the file is missing or not valid Python, or one of its hooks or its
        `config_model` is invalid, or it defines no name of a service file; other exceptions of the
        file are raised as they are
    """
    if isinstance(source, ModuleType):
        return ServiceFile(
            source, name=_name_of(source), where=_file_name(source), blocking=blocking
        )
    if not isinstance(source, str | os.PathLike):
        raise DefinitionError(
            f"expected the path of a service file, or a module, got {shown(source)}"
        )
    path = _path_of(source)
    executed = ExecutedFile(path)
    try:
        return ServiceFile(
            executed.module,
            name=default_name(path),
            where=path.name,
            executed=executed,
            blocking=blocking,
        )
    except BaseException:
        executed.unload()
        raise


def default_name(source: str | os.PathLike[str] | ModuleType) -> str:
    """Return the default name of a service: that of its file or module."""
    if isinstance(source, ModuleType):
        return _name_of(source)
    return _path_of(source).name.removesuffix(".py")


class ServiceFile:
    """An executed service file, or a given module.

    :param name: the default name of the service
    :param where: the file, for messages
    :param blocking: see `load`
    """

    def __init__(
        self,
        module: ModuleType,
        *,
        name: str,
        where: str,
        executed: ExecutedFile | None = None,
        blocking: Blocking | None = None,
    ) -> None:
        self.module = module
        self.name = name
        self.where = where
        self._executed = executed
        self._names = vars(module)
        require_names(module, where=where)
        self._stop_begun = LightEvent()
        self._stopping = Stopping(self._stop_begun)
        self._blocking = blocking
        self._hooks = Hooks(self._names, where=where, stopping=self._stopping, blocking=blocking)
        self._config_model = ConfigModel(
            self._names.get("config_model"), where=f"{where}: config_model"
        )

    def unload(self) -> None:
        """Remove the module from ``sys.modules`` and its folder from ``sys.path``; idempotent.

        A given module is left alone.
        """
        if self._executed is not None:
            self._executed.unload()

    def prepare(
        self,
        source: ConfigSource,
        addresses: Mapping[str, Any] | None = None,
        *,
        main_mode: bool = False,
        allow_inbound: bool = False,
    ) -> Definition:
        """Run the setup hooks, check everything, and return the definition of a run.

        Runs user code in the caller's thread; its exceptions are raised as they are.

        :param addresses: as given by the user; None means none
        :param main_mode: require `main`, and refuse inbound models
        :param allow_inbound: accept inbound models in main mode
        :raises DefinitionError: a hook's result, a model or a signature is wrong
        :raises ConfigError: the config does not fit its model
        :raises AddressError: an address is missing or invalid
        """
        self._require_main(main_mode=main_mode)
        config = self._config(source)
        addresses = {} if addresses is None else expanded(dict(addresses))
        answered = self._hooks.answer("setup_addresses", addresses, config)
        models = self._all_models(config)
        handlers, status_handlers = self._functions(
            models, main_mode=main_mode, allow_inbound=allow_inbound
        )
        functions = [
            *((model.handler, HANDLER) for model in models),
            *((model.on_status, STATUS) for model in models),
        ]
        where = "addresses" if answered is None else self._hooks.place("setup_addresses")
        given = addresses if answered is None else answered
        resolved = resolve(given, models, where=where)
        return Definition(
            name=self.name,
            config=config,
            given_addresses=plain(given),
            addresses=resolved,
            models=models,
            handlers=handlers,
            status_handlers=status_handlers,
            init=self._hooks.get("init_function"),
            main=self._hooks.get("main") if main_mode else None,
            sigint=self._hooks.get("sigint_handler"),
            sigterm=self._hooks.get("sigterm_handler"),
            stop_begun=self._stop_begun,
            takes_stopping=self._hooks.take_stopping
            or any(takes_stopping(function, role) for function, role in functions if function),
        )

    def describe(
        self, source: ConfigSource, addresses: Mapping[str, Any] | None = None
    ) -> Described:
        """Run the setup hooks and return the models, without binding handlers, `main` or addresses.

        Runs user code in the caller's thread; its exceptions are raised as they are.

        :param addresses: as given by the user; None: `setup_addresses` does not run
        :raises DefinitionError: a hook's result or a model is wrong
        :raises ConfigError: the config does not fit its model
        """
        config = self._config(source)
        if addresses is not None:
            addresses = expanded(dict(addresses))
            answered = self._hooks.answer("setup_addresses", addresses, config)
            addresses = addresses if answered is None else answered
        return Described(self.name, config, self._all_models(config), addresses)

    def declares(self, key: str) -> bool:
        """Return True if the file's `config_model` declares a key."""
        return self._config_model.declares(key)

    def require_runnable(
        self, models: tuple[Model, ...], *, main_mode: bool, allow_inbound: bool
    ) -> None:
        """Check main mode and the signatures of handlers, as a start would.

        :param models: from `describe`
        :raises DefinitionError: a start would fail
        """
        self._require_main(main_mode=main_mode)
        self._functions(models, main_mode=main_mode, allow_inbound=allow_inbound)

    def _require_main(self, *, main_mode: bool) -> None:
        if main_mode and self._hooks.get("main") is None:
            near = nearest(
                "main",
                (name for name in self._names if name != "main" and not name.startswith("_")),
            )
            raise DefinitionError(
                f"{self.where}: main mode needs a function 'main', such as "
                f"main(to_send, states, config), got none{near}"
            )

    def _functions(
        self, models: tuple[Model, ...], *, main_mode: bool, allow_inbound: bool
    ) -> tuple[dict[Key, Callable[..., Any]], dict[Key, Callable[..., Any]]]:
        """Return the handlers and the status handlers, ready to be called."""
        if not (self._allows_inbound() or allow_inbound) and main_mode:
            self._refuse_inbound(models)
        handlers = {
            model.key: self._bound(model, model.handler)
            for model in models
            if model.handler is not None
        }
        status_handlers = {
            model.key: bind(
                model.on_status,
                STATUS,
                where=f"{model.where}: 'on_status'",
                stopping=self._stopping,
                blocking=self._blocking,
            )
            for model in models
            if model.on_status is not None
        }
        return handlers, status_handlers

    def _all_models(self, config: Mapping[str, Any]) -> tuple[Model, ...]:
        return (
            *self._models("connections", "setup_connection_models", "setup_connections", config),
            *self._models("states", "setup_state_models", "setup_states", config),
        )

    def _bound(self, model: Model, handler: Callable[..., Any]) -> Callable[..., Any]:
        where = f"{model.where}: the handler"
        stopping, blocking = self._stopping, self._blocking
        if model.kind == "states":
            return bind_in_state(handler, where=where, stopping=stopping, blocking=blocking)
        return bind(handler, HANDLER, where=where, stopping=stopping, blocking=blocking)

    def _allows_inbound(self) -> bool:
        allowed = self._names.get("allow_inbound", False)
        if not isinstance(allowed, bool):
            raise DefinitionError(
                f"{self.where}: allow_inbound: expected True or False, got {shown(allowed)}"
            )
        return allowed

    def _config(self, source: ConfigSource) -> dict[str, Any]:
        self._config_model.require_no_flag(source)
        source = self._config_model.expanded(source)
        config = self._config_model.convert(source)
        hook = "setup_configs" if self._hooks.get("setup_configs") else "setup_config"
        where = self._hooks.place(hook)
        answer = self._hooks.answer(hook, config)
        if answer is not None:
            config |= flatten(answer, where=where)
        return self._config_model.check(config, source, hook=where)

    def _models(
        self, kind: Kind, models_hook: str, arguments_hook: str, config: Mapping[str, Any]
    ) -> tuple[Model, ...]:
        table = f"{kind[:-1]}_models"
        raw = self._names.get(table)
        where = f"{self.where}: {table}"
        answered = self._hooks.answer(models_hook, raw if raw is not None else {}, config)
        if answered is not None:
            raw, where = answered, self._hooks.place(models_hook)
        return build_models(
            kind,
            raw,
            self._hooks.creation_arguments(arguments_hook, config),
            names=self._names,
            where=where,
            overrides_where=self._hooks.place(arguments_hook),
        )

    def _refuse_inbound(self, models: tuple[Model, ...]) -> None:
        inbound = [
            f"{model.kind[:-1]} {model.name!r}"
            for model in models
            if model.side == "in" and model.type != "timer"
        ]
        if inbound:
            raise DefinitionError(
                f"{self.where}: main mode serves nothing inbound, got {', '.join(inbound)}; "
                "run the service without main mode, or allow inbound models (--allow_inbound, "
                "Service(allow_inbound=True), or allow_inbound = True in the file)"
            )


def _path_of(source: str | os.PathLike[str]) -> Path:
    return source if isinstance(source, Path) else Path(os.fsdecode(source))


def _name_of(module: ModuleType) -> str:
    # the second is what `multiprocessing` calls the main program in a process that it has spawned
    if module.__name__ in {"__main__", "__mp_main__"}:
        return _file_name(module).removesuffix(".py")
    return module.__name__.rpartition(".")[2]


def _file_name(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).name if isinstance(file, str) else module.__name__
