"""The keys of a service in a fleet file, with the functions that read their values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sf_actors.definition.config.json_file import plain
from sf_actors.definition.environment import Unset, expanded, unset_in
from sf_actors.errors import AddressError, FleetError, UsageError
from sf_actors.fleet.fleet import Partner
from sf_actors.log.level import parse_level
from sf_actors.sockets.endpoint import parse
from sf_actors.sync.seconds import EXPECTED, is_seconds
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: The form of the names of services and fleets.
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

KINDS: Final = ("connections", "states")

#: The most instances of one service; more are probably a typing error.
MOST_INSTANCES: Final = 1000

_RESTARTS: Final = ("on-failure", "always", "never")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a value in the file.

    :ivar folder: the folder that paths are relative to
    :ivar text: for messages: "fleet.toml: services.exchange.bind"
    """

    folder: Path
    text: str

    def at(self, step: str) -> Position:
        """Return a position within this one."""
        return Position(self.folder, f"{self.text}.{step}")

    def wrong(self, expected: str, value: object, hint: str = "") -> FleetError:
        """Return an error: `expected`, but `value` was found here."""
        return FleetError(f"{self.text}: expected {expected}, got {shown(plain(value))}{hint}")


def read_text(value: Any, position: Position) -> str:
    """Read a text, with variables of the environment replaced."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise position.wrong("a text", value)
    text = expanded(value)
    if isinstance(text, Unset):
        raise FleetError(f"{position.text}: {text.problem}")
    return str(text)


def read_path(value: Any, position: Position) -> Path:
    """Read a path; returns an absolute one."""
    return position.folder / read_text(value, position)


def read_name(value: Any, position: Position) -> str:
    """Read a name in the form of a service's name."""
    text = read_text(value, position)
    if not NAME.fullmatch(text):
        raise position.wrong(
            "a name of ASCII letters, digits, _ and -, that begins with a letter", text
        )
    return text


def read_list(value: Any, position: Position) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, list):
        raise position.wrong("a list of texts", value)
    return tuple(read_text(item, position) for item in value)


def read_flag(value: Any, position: Position) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise position.wrong("true or false", value)
    return value


def read_table(value: Any, position: Position) -> dict[str, Any]:
    """Read a table."""
    if not isinstance(value, dict):
        raise position.wrong("a table", value)
    return value


def _config(value: Any, position: Position) -> Mapping[str, Any] | Path:
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise position.wrong("a table, or the path of a JSON file", value)
    return read_path(value, position)


def _instances(value: Any, position: Position) -> int:
    count = _whole(value, position, least=1)
    if count > MOST_INSTANCES:
        raise position.wrong(f"{MOST_INSTANCES} at most", value)
    return count


def _count(value: Any, position: Position) -> int:
    return _whole(value, position, least=0)


def _whole(value: Any, position: Position, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise position.wrong(f"a whole number, {least} or more", value)
    return value


def _seconds(value: Any, position: Position) -> float:
    if not is_seconds(value):
        raise position.wrong(EXPECTED, value)
    return float(value)


def _restart(value: Any, position: Position) -> str:
    if value not in _RESTARTS:
        wanted = ", ".join(map(repr, _RESTARTS))
        raise position.wrong(f"one of {wanted}", value, nearest(value, _RESTARTS))
    return str(value)


def _level(value: Any, position: Position) -> str:
    text = read_text(str(value) if type(value) is int else value, position)
    try:
        parse_level(text, where=position.text)
    except UsageError as error:
        raise FleetError(str(error)) from None
    return text


def _after(value: Any, position: Position) -> tuple[str, ...]:
    return tuple(dict.fromkeys(read_list(value, position)))


def _links(value: Any, position: Position) -> dict[str, tuple[Partner, ...]]:
    found = {}
    for name, given in read_table(value, position).items():
        inside = position.at(name)
        texts = given if isinstance(given, list) else [given]
        if not texts:
            raise inside.wrong("'SERVICE/MODEL', or a list of them", given)
        found[_model_key(name, inside)] = tuple(_partner(text, inside) for text in texts)
    return found


def _partner(value: Any, position: Position) -> Partner:
    if not isinstance(value, str):
        raise position.wrong("'SERVICE/MODEL', or a list of them", value)
    steps = read_text(value, position).split("/")
    service, *model = steps
    if (
        not service
        or len(steps) > 3
        or not all(steps)
        or (len(steps) == 3 and model[0] not in KINDS)
    ):
        raise position.wrong("'SERVICE/MODEL', or a list of them", value)
    if len(model) == 2:
        return Partner(service, model[1], model[0])
    return Partner(service, model[0] if model else None)


def _model_key(name: str, position: Position) -> str:
    """Read a key that names a model: NAME, 'connections/NAME' or 'states/NAME'."""
    kind, separator, model = name.partition("/")
    if separator and (kind not in KINDS or not model or "/" in model):
        raise position.wrong("a model's name, 'connections/NAME' or 'states/NAME'", name)
    return name


def _bind(value: Any, position: Position) -> dict[str, Any]:
    return _addresses(value, position, _address)


def _connect(value: Any, position: Position) -> dict[str, Any]:
    return _addresses(value, position, _addresses_to)


def _addresses(
    value: Any, position: Position, read: Callable[[Any, Position], Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, given in read_table(value, position).items():
        inside = position.at(name)
        if isinstance(given, dict):
            found[_model_key(name, inside)] = {
                socket: read(one, inside.at(socket)) for socket, one in given.items()
            }
        else:
            found[_model_key(name, inside)] = read(given, inside)
    return found


def _address(value: Any, position: Position) -> str:
    text = read_text(value, position)
    scheme, _, path = text.partition("://")
    if scheme == "ipc" and path not in ("", "*"):
        # `check` finds out if a socket can bind it
        return text
    try:
        parse(text, where=position.text)
    except AddressError as error:
        raise FleetError(str(error)) from None
    return text


def _addresses_to(value: Any, position: Position) -> str | list[str]:
    if not isinstance(value, list):
        return _address(value, position)
    if not value:
        raise position.wrong("an address or more", value)
    return [_address(one, position) for one in value]


def _env(value: Any, position: Position) -> dict[str, str]:
    found = {}
    for name, given in read_table(value, position).items():
        inside = position.at(name)
        if not _VARIABLE.fullmatch(name):
            raise inside.wrong("the name of a variable", name)
        if not isinstance(given, str) or "\0" in given:
            raise inside.wrong("a text", given)
        text = expanded(given)
        for unset in unset_in(text):
            raise FleetError(f"{inside.text}: {unset.problem}")
        found[name] = str(text)
    return found


def _record(_value: Any, position: Position) -> None:
    raise FleetError(
        f"{position.text}: recordings are not there yet in this version; leave the key out"
    )


#: Key -> the field of `FleetService`, and the function that reads its value.
KEYS: Final[Mapping[str, tuple[str, Callable[[Any, Position], Any]]]] = {
    "file": ("file", read_path),
    "bus": ("is_bus", read_flag),
    "config": ("config", _config),
    "main": ("main", read_flag),
    "instances": ("instances", _instances),
    "after": ("after", _after),
    "links": ("links", _links),
    "bind": ("bind", _bind),
    "connect": ("connect", _connect),
    "host": ("host", read_text),
    "restart": ("restart", _restart),
    "ends_fleet": ("ends_fleet", read_flag),
    "loglevel": ("loglevel", _level),
    "file_loglevel": ("file_loglevel", _level),
    "backup_count": ("backup_count", _count),
    "stop_timeout_s": ("stop_timeout_s", _seconds),
    "allow_inbound": ("allow_inbound", read_flag),
    "http": ("http", _address),
    "record": ("record", _record),
    "env": ("env", _env),
}

#: Keys that `[defaults]` may not have, since they are about one service.
OF_ONE_SERVICE: Final = ("file", "links", "bind", "connect")

#: Keys that a bus may not have.
NOT_OF_A_BUS: Final = ("file", "config", "main", "links", "connect", "allow_inbound", "record")
