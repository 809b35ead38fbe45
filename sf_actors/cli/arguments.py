"""The command line of a service as data: its flags, and the extra arguments for its config.

`parse` reads no file and runs nothing; it prints only help and the version.
"""

from __future__ import annotations

import argparse
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sf_actors.cli.flags import FLAGS, seconds_of, text_of
from sf_actors.cli.parser import Parser
from sf_actors.cli.tokens import split
from sf_actors.cli.verb_table import listed
from sf_actors.errors import UsageError
from sf_actors.version import VERSION
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PROGRAM = "sf_actors"
_HELP_FLAGS = {"-h", "--help", "--version"}
_DESCRIPTION = """\
Run a service: one plain Python file with models, handlers and perhaps a main function.

  sf_actors -s svc.py -a addresses.json -c config.json      serve until it is stopped
  sf_actors -s svc.py -m --batch-size 10 --verbose          run main, with an extra config
"""
_EPILOG = f"""\
Every other argument goes into the config: --key value, --key=value, or --flag alone for true.
Dashes in a key count as underscores; a value may begin with one dash: --offset -5.
Exit status: 0 after a clean end, 1 when the service failed, 2 when it could not start.

Verbs, instead of a service; each explains itself with -h:
{listed()}"""


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
    if argv and argv[0] == "demo":
        return DemoArguments(**vars(_demo_parser().parse_args(argv[1:])))
    if argv and argv[0] == "keys":
        return _parse_keys(argv[1:])
    parser = _service_parser()
    asked = [token for token in argv if token in _HELP_FLAGS]
    if asked:
        parser.parse_args(asked)
    ours, extras = split(argv)
    # argparse gets every value with =, so that a value may begin with a dash
    given = vars(parser.parse_args(ours))
    if "service_path" not in given:
        raise UsageError(
            f"expected a service file: -s svc.py, got none{_misspelled(extras)}; "
            "-h explains all flags"
        )
    for name in ("http_host", "stuck_after", "ready_needs"):
        if name in given and "http" not in given:
            raise UsageError(f"--{name}: expected --http HOST:PORT beside it, got none")
    return Arguments(**given, extras=extras)


class _ShowVersion(argparse.Action):
    """Print the version of the package and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"{_PROGRAM} {VERSION}\n")
        parser.exit()


def _service_parser() -> Parser:
    parser = Parser(prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    for flag in FLAGS:
        options: dict[str, Any] = {"action": "store_true"}
        if flag.metavar:
            options = {"type": flag.read, "metavar": flag.metavar}
            if flag.is_list:
                options["action"] = "append"
        # defaults live in Arguments alone
        options["default"] = argparse.SUPPRESS
        parser.add_argument(*flag.names, help=f"{flag.explain}; example: {flag.example}", **options)
    parser.add_argument(
        "--version",
        action=_ShowVersion,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print the version and end",
    )
    return parser


def _demo_parser() -> Parser:
    parser = Parser(prog=f"{_PROGRAM} demo", description="Run the demonstration.")
    explain = "how long it runs (default 10); example: --seconds 30"
    parser.add_argument(
        "--seconds",
        type=seconds_of,
        default=argparse.SUPPRESS,
        metavar="SECONDS",
        help=explain,
    )
    return parser


def _parse_keys(argv: Sequence[str]) -> KeysArguments:
    parser = Parser(
        prog=f"{_PROGRAM} keys",
        description="Write a pair of CURVE keys: DIR/NAME.key and, for its owner alone, "
        "DIR/NAME.key_secret.",
        epilog="example: sf_actors keys new desk --dir ./keys",
    )
    parser.add_argument("command", choices=["new"], help="make a new pair")
    parser.add_argument("name", metavar="NAME", type=text_of, help="the name of the pair")
    parser.add_argument(
        "--dir", metavar="DIR", type=text_of, required=True, help="the folder to write to"
    )
    given = parser.parse_args(argv)
    return KeysArguments(name=given.name, dir=given.dir)


def _misspelled(extras: Iterable[str]) -> str:
    """Return a hint if an extra argument looks like the flag for the service file."""
    for key in extras:
        if nearest(key, ["service_path"]):
            return f", but the extra argument {f'--{key}'!r}; did you mean --service_path?"
    return ""
