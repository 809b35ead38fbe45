"""Reads a fleet file: TOML."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sf_actors.definition.config.json_file import WrittenFloat
from sf_actors.errors import FleetError
from sf_actors.fleet.fleet import Fleet, FleetService
from sf_actors.fleet.service_keys import (
    KEYS,
    NOT_OF_A_BUS,
    OF_ONE_SERVICE,
    Position,
    read_list,
    read_name,
    read_path,
    read_table,
)
from sf_actors.wording import nearest, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

_TABLES: Final = ("fleet", "defaults", "check", "services")
_FLEET: Final = ("name", "keys")
#: The head of a table, and a key: enough to find the line for a finding.
_HEAD: Final = re.compile(r"\s*\[\s*([A-Za-z0-9_.\s\"'-]+?)\s*\]\s*(?:#.*)?$")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_.\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")


def read_fleet(path: str | PathLike[str]) -> Fleet:
    """Read a fleet file.

    Service files and JSON configs are not read.

    :param path: relative to the working directory, or absolute
    :raises FleetError: it cannot be read, is not TOML, or is not valid; the message is one line
    """
    given = Path(path)
    text = _text_of(given)
    try:
        tables = tomllib.loads(text, parse_float=WrittenFloat)
    except tomllib.TOMLDecodeError as error:
        raise FleetError(f"{given}: not TOML: {error}") from None
    except ValueError as error:
        # an integer with more digits than Python reads
        raise FleetError(f"{given}: {error}") from None
    except RecursionError:
        raise FleetError(f"{given}: nested too deep") from None
    real = given.resolve()
    position = Position(real.parent, str(given))
    _require_known(tables, _TABLES, position.text, "table")
    top = Position(position.folder, f"{position.text}: fleet")
    fleet = read_table(tables.get("fleet", {}), top)
    _require_known(fleet, _FLEET, top.text)
    check_position = Position(position.folder, f"{position.text}: check")
    check = read_table(tables.get("check", {}), check_position)
    _require_known(check, ("ignore",), check_position.text)
    return Fleet(
        name=read_name(fleet["name"], top.at("name"))
        if "name" in fleet
        else real.parent.name or "fleet",
        path=real,
        folder=real.parent,
        keys=read_path(fleet["keys"], top.at("keys")) if "keys" in fleet else None,
        ignore=read_list(check.get("ignore", []), check_position.at("ignore")),
        services=_services(tables, position),
        lines=_lines_of(text),
    )


def _text_of(path: Path) -> str:
    try:
        # editors of Windows begin a file with a mark of its encoding
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FleetError(f"{path}: not TOML: byte {error.start} is not UTF-8") from None
    except (OSError, ValueError) as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            hint = "; name it with --fleet FILE, or go to its folder"
        raise FleetError(f"{path}: cannot read the fleet file: {reason_of(error)}{hint}") from None


def _services(tables: Mapping[str, Any], position: Position) -> tuple[FleetService, ...]:
    defaults_position = Position(position.folder, f"{position.text}: defaults")
    defaults = read_table(tables.get("defaults", {}), defaults_position)
    usual = [key for key in KEYS if key not in OF_ONE_SERVICE]
    for key in defaults:
        if key in OF_ONE_SERVICE:
            raise FleetError(
                f"{defaults_position.text}: expected keys that services have in common, got {key!r}"
            )
    _require_known(defaults, usual, defaults_position.text)
    read = _fields(defaults, defaults_position)

    services_position = Position(position.folder, f"{position.text}: services")
    services = read_table(tables.get("services", {}), services_position)
    if not services:
        raise FleetError(
            f"{position.text}: expected services, such as [services.exchange] with "
            'file = "exchange.py", got none'
        )
    found = {name: _given(name, given, services_position, read) for name, given in services.items()}
    mains = [name for name, fields in found.items() if fields.get("main")]
    made = []
    for name, fields in found.items():
        ends = fields.setdefault("ends_fleet", mains == [name])
        fields.setdefault("restart", "never" if ends else "on-failure")
        made.append(FleetService(name=name, **fields))
    return tuple(made)


def _given(
    name: str, given: Any, services: Position, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a service that the file gives, including its `[defaults]`."""
    position = services.at(name)
    read_name(name, services)
    table = read_table(given, position)
    _require_known(table, KEYS, position.text)
    own = _fields(table, position)
    if own.get("is_bus", defaults.get("is_bus", False) and "file" not in own):
        for key in NOT_OF_A_BUS:
            if key in table:
                raise FleetError(
                    f"{position.text}: expected a bus or a service, got bus and {key!r}"
                )
        kept = {field for key, (field, _) in KEYS.items() if key not in NOT_OF_A_BUS}
        shared = {field: value for field, value in defaults.items() if field in kept}
        return {**shared, **own, "is_bus": True}
    if "file" not in own:
        hint = nearest("file", table)
        raise FleetError(
            f'{position.text}: expected file = "svc.py", or bus = true, got neither{hint}'
        )
    return {**defaults, **own, "is_bus": False}


def _fields(table: Mapping[str, Any], position: Position) -> dict[str, Any]:
    fields = {}
    for key, value in table.items():
        field, read = KEYS[key]
        fields[field] = read(value, position.at(key))
    return fields


def _require_known(
    table: Mapping[str, Any], known: Iterable[str], where: str, what: str = "key"
) -> None:
    for key in table:
        if key not in known:
            raise FleetError(f"{where}: unknown {what} {key!r}{nearest(key, known)}")


def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Return the line numbers of tables and keys, as far as a line-by-line scan finds them."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        head = _HEAD.match(line)
        if head is not None:
            table = _steps(head[1])
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            found.setdefault((*table, *_steps(key[1])), number)
    return found


def _steps(dotted: str) -> tuple[str, ...]:
    return tuple(step.strip().strip("\"'") for step in dotted.split("."))
