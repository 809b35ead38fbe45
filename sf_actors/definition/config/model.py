"""Builds the config from file or object, command line and setup hook, by the `config_model`.

The steps at a start::

    source = ConfigSource(read_config_file("config.json"), {"offset": "-5"}, where="config.json")
    config = model.convert(source)                        # the argument of setup_config
    config |= flatten(answer, where="svc.py: setup_config")
    config = model.check(config, source)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from sf_actors.definition.config import conversion, json_file
from sf_actors.definition.environment import expanded, unset_in
from sf_actors.errors import ConfigError, DefinitionError, UsageError
from sf_actors.schema.mismatch import Mismatch
from sf_actors.schema.types import canonical, describe
from sf_actors.wording import named, near_misses, nearest, shown

if TYPE_CHECKING:
    from os import PathLike

_SIDES = ("required", "optional")


class ConfigSource(Struct, frozen=True):
    """The values from the user: `given` from a file or an object, `texts` from the command line.

    `texts` override `given`; True is a flag without a value. `where` names `given` in messages: the
    path of the file, or "config". `flags` are the names of the command line's own flags, without
    dashes.
    """

    given: Mapping[str, object] = field(default_factory=dict)
    texts: Mapping[str, str | bool] = field(default_factory=dict)
    where: str = "config"
    flags: tuple[str, ...] = ()


def read_config_file(path: str | PathLike[str]) -> dict[str, object]:
    """Read the config file, keeping numbers exactly as written.

    :raises ConfigError: it cannot be read, is not JSON, or is not an object
    """
    return json_file.read_object(path, what="config file", error=ConfigError)


def flatten(config: Mapping[str, object], *, where: str) -> dict[str, object]:
    """Return the config as a new flat dict, merging `{'required': {…}, 'optional': {…}}`.

    :raises ConfigError: it is not a mapping, or a key is not a text or is on both sides
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"{where}: expected a dict, got {shown(config)}")
    flat = dict(config)
    sides = [value for value in flat.values() if isinstance(value, Mapping)]
    if flat and len(sides) == len(flat) and flat.keys() <= set(_SIDES):
        flat = {}
        for side in sides:
            for key, value in side.items():
                if key in flat:
                    raise ConfigError(f"{where}: {key!r} stands in 'required' and in 'optional'")
                flat[key] = value
    for key in flat:
        if not isinstance(key, str):
            raise ConfigError(f"{where}: expected keys that are text, got {shown(key)}")
    return flat


class ConfigModel:
    """The service's `config_model`: the keys of the config and their types.

    :param declared: `{'required': {key: type}, 'optional': {key: type}}`; each may be missing or
        None; None for the whole means no model: any config is valid
    :param where: for messages: "svc.py: config_model"
    :raises DefinitionError: it is not valid
    """

    def __init__(self, declared: object, *, where: str = "config_model") -> None:
        self.where = where
        self.is_open = declared is None
        sides = {} if declared is None else declared
        if not isinstance(sides, Mapping):
            raise DefinitionError(
                f"{where}: expected {{'required': {{key: type}}, 'optional': {{key: type}}}}, "
                f"got {shown(sides)}"
            )
        for side in sides:
            if side not in _SIDES:
                raise DefinitionError(
                    f"{where}: expected 'required' or 'optional', got {shown(side)}"
                    f"{nearest(side, _SIDES)}"
                )
        self.required = _types(sides.get("required"), where=f"{where}['required']")
        self.optional = _types(sides.get("optional"), where=f"{where}['optional']")
        self._types = {**self.required, **self.optional}
        for key in self.required.keys() & self.optional.keys():
            raise DefinitionError(f"{where}: {key!r} is required and optional; it can be only one")

    def declares(self, key: str) -> bool:
        """Return True if it declares a key."""
        return key in self._types

    def require_no_flag(self, source: ConfigSource) -> None:
        """Refuse a key of the command line that was probably meant as a flag.

        :raises UsageError: the model does not declare it, and it resembles a flag
        """
        for key in _texts(source):
            near = [] if key in self._types else near_misses(key, source.flags)
            if near:
                raise UsageError(
                    f"--{key}: expected a flag, or a key that config_model declares; "
                    f"did you mean '--{near[0]}'?"
                )

    def expanded(self, source: ConfigSource) -> ConfigSource:
        """Return the source with the environment variables in its texts replaced."""
        return replace(source, given=expanded(flatten(source.given, where=source.where)))

    def convert(self, source: ConfigSource) -> dict[str, Any]:
        """Return the config for `setup_config`: values that cannot be converted are left as given.

        Containers are copied, floats are plain; without a model, texts stay texts.

        :raises ConfigError: the source is not a config at all
        """
        config: dict[str, Any] = {}
        for key, (value, reads) in _entries(source).items():
            try:
                config[key] = reads(value, self._types.get(key, Any))
            except Mismatch:
                config[key] = json_file.plain(value)
            except RecursionError as exc:
                raise ConfigError(f"{source.where}: {key!r} is nested too deep") from exc
        return config

    def check(
        self,
        config: Mapping[str, Any],
        source: ConfigSource | None = None,
        *,
        hook: str = "setup_config",
    ) -> dict[str, Any]:
        """Return the config if it has all required keys, no unknown ones, and the declared types.

        :param config: the result of `convert`, with the result of `setup_config` merged over it
        :param source: where it came from, for messages
        :param hook: the name of the setup hook, for messages
        :raises ConfigError: it does not fit the model
        """
        # a config of unknown origin is its own source
        origin = _Origin(self, source or ConfigSource(config), hook)
        for key, value in config.items():
            if key not in self._types and not self.is_open:
                place = origin.place(key, value)
                raise ConfigError(f"{place}: unknown config key {key!r}{nearest(key, self._types)}")
            for unset in unset_in(value):
                raise ConfigError(f"{origin.place(key, value)}: {key!r}: {unset.problem}")
        if self.is_open:
            return dict(config)
        missing = [
            f"{key!r} ({describe(type_)})"
            for key, type_ in self.required.items()
            if key not in config
        ]
        if missing:
            raise ConfigError(
                f"{origin.source.where}: missing {', '.join(missing)}, required by {self.where}; "
                "add it there, or on the command line as --key value"
            )
        checked: dict[str, Any] = {}
        for key, value in config.items():
            try:
                checked[key] = conversion.confirm(value, self._types[key])
            except Mismatch as exc:
                raise ConfigError(origin.blame(key, value, self._types[key], exc)) from exc
        return checked


class _Origin:
    """Tells where a value of the finished config came from, for messages."""

    def __init__(self, model: ConfigModel, source: ConfigSource, hook: str) -> None:
        self.source = source
        self._hook = hook
        self._model = model

    def place(self, key: str, value: object) -> str:
        """Return the flag, the file or the hook that a key's value came from."""
        if self._is_untouched(key, value):
            return f"--{named(key)}" if key in _texts(self.source) else self.source.where
        return self._hook

    def blame(self, key: str, value: object, type_: Any, found: Mismatch) -> str:
        """Return the message for a value that does not have its type.

        A value from the user is converted once more, since that error says more than the wrong
        type that it has now.
        """
        if self._is_untouched(key, value):
            given, reads = _entries(self.source)[key]
            try:
                reads(given, type_)
            except Mismatch as exc:
                found = exc
        return f"{self.place(key, value)}: {key + found.path!r}: {found.text}"

    def _is_untouched(self, key: str, value: object) -> bool:
        came = self._model.convert(self.source)
        # compare the texts, since values of foreign types may define any equality
        return key in came and shown(came[key]) == shown(value)


_Read = Callable[[Any, Any], Any]


def _entries(source: ConfigSource) -> dict[str, tuple[Any, _Read]]:
    """Return the value of each key and the function that converts it; the command line wins."""
    given = flatten(source.given, where=source.where)
    entries: dict[str, tuple[Any, _Read]] = {
        key: (value, conversion.from_json) for key, value in given.items()
    }
    return entries | {key: (text, conversion.from_text) for key, text in _texts(source).items()}


def _texts(source: ConfigSource) -> dict[str, str | bool]:
    return {key.replace("-", "_"): text for key, text in source.texts.items()}


def _types(declared: object, *, where: str) -> dict[str, Any]:
    if declared is None:
        return {}
    if not isinstance(declared, Mapping):
        raise DefinitionError(f"{where}: expected {{key: type}}, got {shown(declared)}")
    for key in declared:
        if not isinstance(key, str):
            raise DefinitionError(f"{where}: expected keys that are text, got {shown(key)}")
    return {key: canonical(type_, where=f"{where}[{key!r}]") for key, type_ in declared.items()}
