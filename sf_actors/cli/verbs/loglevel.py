"""`loglevel`: shows or sets the log levels of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.cli.flags import text_of
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags, service_named
from sf_actors.cli.stderr import report
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NONE")


def run(argv: Sequence[str]) -> int:
    """Set the given levels, and print the previous ones."""
    parser = verb_parser(
        "loglevel",
        f"Show the log levels of a service, or set them: {', '.join(_LEVELS)}. It prints the "
        "previous ones.",
        example="sf_actors loglevel exchange DEBUG",
    )
    add_remote_flags(parser)
    parser.add_argument("service", metavar="SERVICE", help="a service that runs")
    parser.add_argument("level", metavar="LEVEL", nargs="?", type=text_of, help="of its console")
    parser.add_argument("--file-level", metavar="LEVEL", type=text_of, help="of its log file")
    arguments = parsed(parser, argv)
    given: dict[str, Any] = {}
    for key, level in (("console", arguments.level), ("file", arguments.file_level)):
        if level is not None:
            if level.upper() not in _LEVELS:
                parser.error(f"expected a level ({', '.join(_LEVELS)}), got {level!r}")
            given[key] = level.upper()
    out = Output(as_json=arguments.json)
    with RemoteServices.of(arguments) as remote:
        service = service_named(remote, arguments.service)
        before = remote.ask(service, "loglevel", **given)
    if out.as_json:
        out.emit({"console": before.get("console"), "file": before.get("file")})
    else:
        out.line(f"console {_named(before.get('console'))}, file {_named(before.get('file'))}")
    for key, level in given.items():
        report(f"{service}: {key} {level}")
    return 0


def _named(level: object) -> str:
    return "NONE" if level is None else escaped(str(level))
