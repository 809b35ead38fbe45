"""The parsers that print the help of a service's command line, and read `demo` and `keys new`.

A service is started without argparse, see `arguments`.
"""

from __future__ import annotations

import argparse
from typing import Any

from sf_actors.cli.flags import FLAGS, seconds_of, text_of
from sf_actors.cli.parser import Parser
from sf_actors.cli.verb_table import listed
from sf_actors.version import VERSION

_PROGRAM = "sf_actors"
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


class _ShowVersion(argparse.Action):
    """Print the version of the package and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{_PROGRAM} {VERSION}", flush=True)  # noqa: T201 - asked for
        parser.exit()


def service_parser() -> Parser:
    """Return the parser of a service's command line, for its help and the version."""
    parser = Parser(prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    for flag in FLAGS:
        options: dict[str, Any] = {"metavar": flag.metavar}
        if flag.is_list:
            options["action"] = "append"
        elif not flag.metavar:
            options = {"action": "store_true"}
        parser.add_argument(*flag.names, help=f"{flag.explain}; example: {flag.example}", **options)
    parser.add_argument(
        "--version",
        action=_ShowVersion,
        nargs=0,
        default=argparse.SUPPRESS,
        help="print the version and end",
    )
    return parser


def demo_parser() -> Parser:
    """Return the parser of `demo`."""
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


def keys_parser() -> Parser:
    """Return the parser of `keys new`."""
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
    return parser
