"""Reads the service files of a verb's arguments, with their addresses and configs."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sf_actors.cli.flags import text_of
from sf_actors.errors import DefinitionError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.inspection.outline import Outline


def add_service_files(parser: argparse.ArgumentParser, *, nargs: str) -> None:
    """Add the arguments that `read_outlines` reads.

    :param nargs: for argparse: `+`, or `*` if there may be none
    """
    parser.add_argument(
        "files", nargs=nargs, metavar="svc.py", type=text_of, help="a service file, or several"
    )
    for flags, name, what in (
        (("-a", "--addresses_path"), "addresses", "addresses"),
        (("-c", "--config_path"), "configs", "config"),
    ):
        parser.add_argument(
            *flags,
            dest=name,
            action="append",
            default=[],
            metavar="PATH",
            type=text_of,
            help=f"JSON file with the {what}: one for all services, or one for each, in order",
        )


def read_outlines(arguments: argparse.Namespace) -> list[Outline]:
    """Read the outlines of the service files, running their setup hooks; in the main thread.

    :raises UsageError: there are more or fewer addresses or configs than services
    :raises DefinitionError: user code raised; its traceback was printed to standard error
    :raises SfActorsError: a file, a model, a config or an address is wrong
    """
    from sf_actors.definition.addresses import read_addresses_file  # noqa: PLC0415 - after -h
    from sf_actors.definition.config.model import read_config_file  # noqa: PLC0415
    from sf_actors.inspection.outline import with_unique_names  # noqa: PLC0415

    files: list[str] = arguments.files
    addresses = for_each(files, arguments.addresses, "addresses")
    configs = for_each(files, arguments.configs, "configs")
    outlines = [
        _read_outline(
            file,
            config=None if config is None else read_config_file(config),
            config_where=config or "config",
            addresses=None if address is None else read_addresses_file(address),
        )
        for file, address, config in zip(files, addresses, configs, strict=True)
    ]
    return with_unique_names(outlines)


def read_fleet_outlines(fleet: Fleet) -> list[Outline]:
    """Read the outlines of a fleet's services, with its folder as working directory; main thread.

    :raises DefinitionError: a service file cannot be read
    """
    from sf_actors.fleet.reading import read_services  # noqa: PLC0415 - with a fleet alone

    read = read_services(fleet)
    for finding in read.findings:
        raise DefinitionError(str(finding))
    os.chdir(fleet.folder)
    found = []
    for service in fleet.services:
        if service.file is not None:
            number = 1 if read.outlines[service.name].takes_instance else None
            source = service.config_source(number=number)
            outline = _read_outline(
                str(service.file), config=source.given, config_where=source.where, addresses=None
            )
            found.append(replace(outline, name=service.name))
    return found


def for_each(files: list[str], given: list[str], what: str) -> list[str | None]:
    """Return the addresses or config file for each service file; None if there are none.

    :raises UsageError: there is neither one file nor one for each
    """
    if len(given) <= 1:
        return [*given, None][:1] * len(files)
    if len(given) != len(files):
        raise UsageError(
            f"expected one file of {what} for all services, or one for each of the {len(files)}, "
            f"got {len(given)}"
        )
    return list(given)


def _read_outline(
    file: str,
    *,
    config: Mapping[str, object] | None,
    config_where: str,
    addresses: Mapping[str, Any] | None,
) -> Outline:
    from sf_actors.errors import SfActorsError  # noqa: PLC0415 - as above
    from sf_actors.inspection.outline import read_outline  # noqa: PLC0415
    from sf_actors.log.tracebacks import whole_traceback  # noqa: PLC0415
    from sf_actors.user_code.tracebacks import passed_user_code, trimmed  # noqa: PLC0415
    from sf_actors.wording import escaped  # noqa: PLC0415

    try:
        return read_outline(file, config=config, config_where=config_where, addresses=addresses)
    except SystemExit as error:
        raise DefinitionError(f"{file}: it called sys.exit({error.code!r})") from None
    except Exception as error:
        if isinstance(error, SfActorsError) and not passed_user_code(error):
            raise
        cut = trimmed(error)
        for line in whole_traceback((type(cut), cut, cut.__traceback__)).split("\n"):
            sys.stderr.write(f"{escaped(line)}\n")
        raise DefinitionError(
            f"{file}: it cannot be read: it raised {type(error).__name__}"
        ) from None
