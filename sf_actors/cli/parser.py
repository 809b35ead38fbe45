"""Argument parsers that raise UsageError where argparse would print its usage and exit."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from sf_actors.cli.flags import seconds_of
from sf_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long a verb waits for one answer, in seconds.
TIMEOUT_S = 5.0

#: Before an argument after `--`; no argument of a command line can hold it.
_MARK = "\0"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError, and exits only after help."""

    def __init__(self, *, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise the error as a UsageError."""
        raise UsageError(message.replace(_MARK, ""))

    def print_help(self, file: Any = None) -> None:
        """Write the help; argparse itself would hide an error of the disk.

        :raises OSError: it cannot be written
        """
        print(self.format_help(), end="", file=file or sys.stdout, flush=True)


def verb_parser(
    verb: str,
    description: str,
    *,
    example: str,
    timeout_s: float | None = TIMEOUT_S,
    has_json: bool = True,
    has_timeout: bool = True,
) -> Parser:
    """Return the parser of a verb, with the common flags.

    :param example: a command line for the end of the help
    :param timeout_s: how long it waits for one answer, in seconds; None: for ever
    """
    parser = Parser(prog=f"sf_actors {verb}", description=description, epilog=f"example: {example}")
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    if has_timeout:
        default = "no limit" if timeout_s is None else f"{timeout_s:g}"
        parser.add_argument(
            "--timeout",
            type=seconds_of,
            default=timeout_s,
            metavar="SECONDS",
            help=f"how long to wait for one answer (default {default})",
        )
    return parser


def parsed(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse arguments, with flags and positional ones in any order; none after `--` is a flag.

    :raises UsageError: they cannot be understood
    :raises SystemExit: 0, after help was printed
    """
    if "--" not in argv:
        return parser.parse_intermixed_args(argv)
    end = argv.index("--")
    # argparse forgets `--` between its two passes: a mark keeps what follows from being a flag
    after = [_MARK + one if one.startswith("-") else one for one in argv[end + 1 :]]
    found = parser.parse_intermixed_args([*argv[:end], "--", *after])
    for name, value in vars(found).items():
        setattr(found, name, _unmarked(value))
    return found


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(one) for one in value]
    return value.removeprefix(_MARK) if isinstance(value, str) else value
