"""The command line of a service as data: its flags, and the extra arguments for its config.

`parse` reads no file and runs nothing; it prints only help and the version.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sf_actors.cli.tokens import split
from sf_actors.errors import UsageError
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sf_actors.cli.flags import Flag

_HELP_FLAGS = {"-h", "--help", "--version"}


class Arguments(NamedTuple):
    """Run a service: `sf_actors -s svc.py …`. Times are in seconds, paths as they were typed."""

    service_path: str
    addresses_path: str | None = None
    config_path: str | None = None
    main_mode: bool = False
    console_loglevel: str = "INFO"
    file_loglevel: str = "INFO"
    log_path: str | None = None
    backup_count: int = 24
    service_loop_min_wait_time_s: float = 0.0
    stop_timeout_s: float = 10.0
    allow_inbound: bool = False
    name: str | None = None
    keys: str | None = None
    error_details: Literal["full", "type"] | None = None
    inspect: str | None = None
    http: str | None = None
    http_host: list[str] | None = None
    stuck_after: float | None = None
    ready_needs: list[str] | None = None
    reload: bool = False
    extras: Mapping[str, str | bool] = MappingProxyType({})


class DemoArguments(NamedTuple):
    """Run the demonstration for a number of seconds: `sf_actors demo`."""

    seconds: float = 10.0


class KeysArguments(NamedTuple):
    """Write a CURVE key pair: `sf_actors keys new NAME --dir DIR`."""

    name: str
    dir: str


def parse(argv: Sequence[str]) -> Arguments | DemoArguments | KeysArguments:
    """Parse a command line that runs a service, the demonstration or `keys new`.

    :raises UsageError: it cannot be understood; the message is one line
    :raises SystemExit: 0, after help or the version was printed
    """
    if argv and argv[0] in ("demo", "keys"):
        return _parse_verb(argv[0], argv[1:])
    asked = [token for token in argv if token in _HELP_FLAGS]
    if asked:
        from sf_actors.cli.service_parsers import service_parser  # noqa: PLC0415 - argparse is slow

        service_parser().parse_args(asked)
    ours, extras = split(argv)
    given: dict[str, Any] = {}
    for flag, text in ours:
        name, value = flag.long_name.removeprefix("--"), _value_of(flag, text)
        if flag.is_list:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    if "service_path" not in given:
        raise UsageError(
            f"expected a service file: -s svc.py, got none{_misspelled(extras)}; "
            "-h explains all flags"
        )
    for name in ("http_host", "stuck_after", "ready_needs"):
        if name in given and "http" not in given:
            raise UsageError(f"--{name}: expected --http HOST:PORT beside it, got none")
    return Arguments(**given, extras=extras)


def _parse_verb(verb: str, argv: Sequence[str]) -> DemoArguments | KeysArguments:
    from sf_actors.cli.service_parsers import demo_parser, keys_parser  # noqa: PLC0415 - as above

    if verb == "demo":
        return DemoArguments(**vars(demo_parser().parse_args(argv)))
    given = keys_parser().parse_args(argv)
    return KeysArguments(name=given.name, dir=given.dir)


def _value_of(flag: Flag, text: str) -> object:
    """Return the value of a flag.

    :raises UsageError: its text cannot be read; in the words of argparse
    """
    if not flag.metavar:
        return True
    try:
        return flag.read(text)
    except Exception as error:  # noqa: BLE001 - argparse's, which is imported only to raise it
        raise UsageError(f"argument {'/'.join(flag.names)}: {error}") from None


def _misspelled(extras: Iterable[str]) -> str:
    """Return a hint if an extra argument looks like the flag for the service file."""
    for key in extras:
        if nearest(key, ["service_path"]):
            return f", but the extra argument {f'--{key}'!r}; did you mean --service_path?"
    return ""
