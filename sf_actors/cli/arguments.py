"""The command line as data: our own flags, and the extra arguments for the config.

The rules of one pass over the tokens: a flag of ours that wants a value takes the next token,
unless that is a flag of ours or begins with ``--``. Any other token that begins with ``--`` is an
extra argument; the token after it is its value by the same rule. What is left over is an error.

`parse` reads no file and runs nothing; all it ever prints is help and the version.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from sf_actors.errors import UsageError
from sf_actors.sync.seconds import EXPECTED, is_seconds
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_PROGRAM = "sf_actors"
_HELP_FLAGS = {"-h", "--help", "--version"}
_DESCRIPTION = """\
Run a service: one plain Python file with models, handlers and perhaps a main function.

  sf_actors -s svc.py -a addresses.json -c config.json      serve until it is stopped
  sf_actors -s svc.py -m --batch-size 10 --verbose          run main, with an extra config
  sf_actors demo                                            see it at work
  sf_actors keys new desk --dir ./keys                      write a pair of CURVE keys
"""
_EPILOG = """\
Every other argument goes into the config: --key value, --key=value, or --flag alone for true.
Dashes in a key count as underscores; a value may begin with one dash: --offset -5.
Exit status: 0 after a clean end, 1 when the service failed, 2 when it could not start.
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
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
    extras: dict[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DemoArguments:
    """Run the demonstration for so many seconds: `sf_actors demo`."""

    seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class KeysArguments:
    """Write a pair of CURVE keys: `sf_actors keys new NAME --dir DIR`."""

    name: str
    dir: str


def parse(argv: Sequence[str]) -> Arguments | DemoArguments | KeysArguments:
    """Read the command line, without the program's name.

    :raises UsageError: it cannot be understood; the message is one line
    :raises SystemExit: 0, when help or the version was asked for and printed
    """
    if argv and argv[0] == "demo":
        return DemoArguments(**vars(_demo_parser().parse_args(argv[1:])))
    if argv and argv[0] == "keys":
        return _parse_keys(argv[1:])
    parser, flags = _service_parser()
    asked = [token for token in argv if token in _HELP_FLAGS]
    if asked:
        parser.parse_args(asked)
    ours, extras = _split(argv, flags)
    # Argparse gets every value by =, so that one which begins with a dash stays a value.
    given = vars(parser.parse_args(ours))
    if given["service_path"] is None:
        raise UsageError(
            f"expected a service file: -s svc.py, got none{_misspelled(extras)}; "
            "-h explains all flags"
        )
    return Arguments(**given, extras=extras)


class _Parser(argparse.ArgumentParser):
    """Raises what argparse would print with its usage, and never exits but for help."""

    def __init__(self, *, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _ShowVersion(argparse.Action):
    """Print the version of the installed package and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        # Here, since reading the metadata takes longer than all the rest of the parsing.
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            number = version(_PROGRAM)
        except PackageNotFoundError:
            number = "(not installed)"
        sys.stdout.write(f"{_PROGRAM} {number}\n")
        parser.exit()


def _service_parser() -> tuple[_Parser, dict[str, argparse.Action]]:
    """Return the parser and each of its flags, long names with underscores."""
    parser = _Parser(prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    flags: dict[str, argparse.Action] = {}

    def add(*names: str, explain: str, example: str, **options: Any) -> None:
        text = f"{explain}; example: {example}"
        flags.update(dict.fromkeys(names, parser.add_argument(*names, help=text, **options)))

    def add_value(*names: str, read: Callable[[str], object], metavar: str, **rest: Any) -> None:
        # What the flag is worth when it is absent stands in Arguments alone.
        dest = names[-1].removeprefix("--")
        default = getattr(Arguments, dest, None)
        add(*names, type=read, metavar=metavar, default=default, **rest)

    add_value(
        "-s",
        "--service_path",
        read=_text,
        metavar="PATH",
        explain="the service file; required",
        example="-s ./svc.py",
    )
    add_value(
        "-a",
        "--addresses_path",
        read=_text,
        metavar="PATH",
        explain="JSON file with the addresses of the models",
        example="-a ./addresses.json",
    )
    add_value(
        "-c",
        "--config_path",
        read=_text,
        metavar="PATH",
        explain="JSON file with the config",
        example="-c ./config.json",
    )
    add(
        "-m",
        "--main_mode",
        action="store_true",
        explain="run the main function beside the outbound models",
        example="-m",
    )
    add_value(
        "-cl",
        "--console_loglevel",
        read=_text,
        metavar="LEVEL",
        explain="DEBUG, INFO, WARNING, ERROR, CRITICAL or, for no lines, NONE (default INFO)",
        example="-cl WARNING",
    )
    add_value(
        "-f",
        "--file_loglevel",
        read=_text,
        metavar="LEVEL",
        explain="the same for the log file (default INFO)",
        example="-f DEBUG",
    )
    add_value(
        "-l",
        "--log_path",
        read=_text,
        metavar="PATH",
        explain="log file; its folder is made, it is rotated hourly",
        example="-l ./logs/svc.log",
    )
    add_value(
        "-bc",
        "--backup_count",
        read=_count,
        metavar="N",
        explain="how many rotated log files are kept (default 24)",
        example="-bc 48",
    )
    add_value(
        "-wt",
        "--service_loop_min_wait_time_s",
        read=_seconds,
        metavar="SECONDS",
        explain="least time between two handler calls (default 0)",
        example="-wt 0.01",
    )
    add_value(
        "--stop_timeout_s",
        read=_seconds,
        metavar="SECONDS",
        explain="deadline of a graceful stop (default 10)",
        example="--stop_timeout_s 30",
    )
    add(
        "--allow_inbound",
        action="store_true",
        explain="serve inbound models beside main, with -m",
        example="-m --allow_inbound",
    )
    add_value(
        "--name",
        read=_text,
        metavar="NAME",
        explain="the service's name in its log lines (default that of the file)",
        example="--name desk-2",
    )
    add_value(
        "--keys",
        read=_text,
        metavar="DIR",
        explain="folder of CURVE keys: encrypt, and let in who is authorized",
        example="--keys ./keys",
    )
    add_value(
        "--error_details",
        read=_details,
        metavar="full|type",
        explain="what callers are told of a handler's error: its text as well, or its type alone "
        "(default full, but beyond loopback without keys type)",
        example="--error_details type",
    )
    parser.add_argument(
        "--version",
        action=_ShowVersion,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print the version and end",
    )
    return parser, flags


def _demo_parser() -> _Parser:
    parser = _Parser(prog=f"{_PROGRAM} demo", description="Run the demonstration.")
    explain = "how long it runs (default 10); example: --seconds 30"
    parser.add_argument(
        "--seconds", type=_seconds, default=DemoArguments.seconds, metavar="SECONDS", help=explain
    )
    return parser


def _parse_keys(argv: Sequence[str]) -> KeysArguments:
    parser = _Parser(
        prog=f"{_PROGRAM} keys",
        description="Write a pair of CURVE keys: DIR/NAME.key and, for its owner alone, "
        "DIR/NAME.key_secret.",
        epilog="example: sf_actors keys new desk --dir ./keys",
    )
    parser.add_argument("command", choices=["new"], help="make a new pair")
    parser.add_argument("name", metavar="NAME", type=_text, help="what the pair is called")
    parser.add_argument(
        "--dir", metavar="DIR", type=_text, required=True, help="the folder to write to"
    )
    given = parser.parse_args(argv)
    return KeysArguments(name=given.name, dir=given.dir)


def _split(
    argv: Sequence[str], flags: Mapping[str, argparse.Action]
) -> tuple[list[str], dict[str, str | bool]]:
    """Return our own flags as argparse takes them, `--long=value` each, and the extras."""
    ours: dict[str, str] = {}
    extras: dict[str, str | bool] = {}
    place = 0

    def take_value() -> str | None:
        nonlocal place
        if place == len(argv) or argv[place].startswith("--") or argv[place] in flags:
            return None
        place += 1
        return argv[place - 1]

    while place < len(argv):
        token = argv[place]
        place += 1
        name, value = _read_name(token)
        flag = flags.get(name)
        if flag is not None:
            if flag.dest in ours:
                raise UsageError(f"{name}: expected once, got it twice")
            ours[flag.dest] = _take_ours(name, flag, value, take_value)
        elif token.startswith("--"):
            key = name.removeprefix("--")
            if not key or token.startswith("---"):
                raise UsageError(f"expected --key value, got {token!r}, which has no key")
            if key in extras:
                raise UsageError(f"{f'--{key}'!r}: expected once, got it twice")
            given = take_value() if value is None else value
            extras[key] = True if given is None else given
        else:
            raise UsageError(
                f"expected a flag or --key before a value, got {token!r} on its own; "
                "-h explains all flags"
            )
    return list(ours.values()), extras


def _take_ours(
    name: str, flag: argparse.Action, value: str | None, take_value: Callable[[], str | None]
) -> str:
    long_name = flag.option_strings[-1]
    if flag.nargs == 0:
        if value is not None:
            raise UsageError(f"{name}: expected no value, got {value!r}")
        return long_name
    if value is None:
        value = take_value()
    if value is None:
        raise UsageError(
            f"{name}: expected a value ({flag.metavar}), got none; "
            f"one that begins with -- is given as {long_name}=VALUE"
        )
    return f"{long_name}={value}"


def _read_name(token: str) -> tuple[str, str | None]:
    """Return a token's flag, dashes as underscores, and its value if that is joined to it."""
    if not token.startswith("--"):
        return token, None
    name, equals, value = token.removeprefix("--").partition("=")
    return f"--{name.replace('-', '_')}", value if equals else None


def _misspelled(extras: Iterable[str]) -> str:
    """Return a hint if an extra argument looks like the flag for the service file."""
    for key in extras:
        if nearest(key, ["service_path"]):
            return f", but the extra argument {f'--{key}'!r}; did you mean --service_path?"
    return ""


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a text, got an empty one")
    return text


def _details(text: str) -> str:
    if text not in {"full", "type"}:
        raise argparse.ArgumentTypeError(f"expected full or type, got {text!r}")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # Python reads 1_0, spaces and digits of all scripts as well: mistakes, rather than numbers.
    is_plain = text.isascii() and text.strip() == text and "_" not in text
    if not (is_plain and is_seconds(number)):
        raise argparse.ArgumentTypeError(f"expected {EXPECTED}, got {text!r}")
    return number
