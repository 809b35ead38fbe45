"""`trace`: prints the log lines of one workflow id, from all services here, ordered by time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.cli.fleet_logs import is_of_workflow, names_in
from sf_actors.cli.fleets import DEFAULT_FILE, logs_of_fleet
from sf_actors.cli.output import Output, to_json
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags
from sf_actors.cli.shell import FAILED
from sf_actors.cli.stderr import report
from sf_actors.errors import UsageError
from sf_actors.inspection.client import Question, questions
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_COLOURS = {"warning": "odd", "error": "bad", "critical": "bad"}
_FIRST = ("timestamp", "level", "event", "service", "workflow_id")


def run(argv: Sequence[str]) -> int:
    """Print the lines; 1 if there are none."""
    parser = verb_parser(
        "trace",
        "Print the log lines of one workflow id, ordered by time, from the log files of the "
        "services that run here and of the fleet in this folder, rotated ones too, or from those "
        "that --logs names.",
        example="sf_actors trace 4f1c9b0e --logs ./logs/*.log",
    )
    add_remote_flags(parser)
    parser.add_argument(
        "--logs", nargs="+", metavar="FILE", help="log files in place of those found"
    )
    parser.add_argument("workflow_id", metavar="WORKFLOW_ID", help="as a line or an error shows it")
    arguments = parsed(parser, argv)
    paths = arguments.logs
    if paths is None:
        paths = _logs_of_fleet(arguments)
        # with --fleet, only the fleet's logs are meant
        paths += [] if arguments.fleet is not None else _logs_of(arguments)
    out = Output(as_json=arguments.json)
    lines = sorted(
        _lines(_with_rotated(paths), arguments.workflow_id), key=lambda line: line["timestamp"]
    )
    for line in lines:
        if out.is_terminal and not out.as_json:
            out.line(_as_text(out, line))
        else:
            out.emit(line)
    if not lines:
        where = f"{len(paths)} log files" if paths else "any log file of what runs here"
        report(f"no line of {arguments.workflow_id!r} in {where}")
    return 0 if lines else FAILED


def _logs_of_fleet(arguments: Any) -> list[str]:
    """Return the log files of a fleet's instances, running or not."""
    if arguments.at is not None:
        if arguments.fleet is not None:
            raise UsageError("--fleet: expected no --at beside it, got one")
        return []
    if arguments.fleet is None and not Path(DEFAULT_FILE).is_file():
        return []
    folder = logs_of_fleet(arguments)
    return [str(folder / f"{name}.log") for name in names_in(folder)]


def _logs_of(arguments: Any) -> list[str]:
    """Return the log files of the services that run."""
    with RemoteServices.of(arguments) as remote:
        client, timeout_s = remote.client, remote.timeout_s
        pings = client.ask_all(questions(remote.inspectors(), "ping"), timeout_s=timeout_s)
        silent = [str(one.responder) for one in pings if one.is_silent]
        asked = [
            Question(one.responder, {"verb": "info", "service": name})
            for one in pings
            for name in (one.value or {}).get("services", ())
        ]
        answers = client.ask_all(asked, timeout_s=timeout_s)
    for name in silent:
        report(f"no answer from {name}: its log file is left out")
    found = [str((one.value or {}).get("log_file") or "") for one in answers]
    return list(dict.fromkeys(filter(None, found)))


def _with_rotated(paths: Iterable[str]) -> Iterator[Path]:
    """Yield log files, each with its rotated files."""
    seen = set()
    for name in paths:
        path = Path(name)
        aside = sorted(path.parent.glob(f"{_literal(path.name)}.*"))
        for one in (*aside, path):
            if one not in seen:
                seen.add(one)
                yield one


def _literal(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


def _lines(paths: Iterable[Path], workflow_id: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a workflow id; a file that cannot be read is reported and skipped."""
    # as loggers write a text, and as an id that is no text is written
    candidates = {workflow_id, to_json(workflow_id)[1:-1]}
    candidates |= {json.dumps(workflow_id, ensure_ascii=one)[1:-1] for one in (True, False)}
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for text in file:
                    if any(candidate in text for candidate in candidates):
                        line = _parsed(text)
                        if line is not None and is_of_workflow(line, workflow_id):
                            yield line
        except OSError as error:
            report(f"{path}: {error.strerror}")


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("timestamp"), str) else None


def _as_text(out: Output, line: dict[str, Any]) -> str:
    level = str(line.get("level"))
    head = escaped(f"{line['timestamp']} {level:<8} {line.get('service')}: {line.get('event')}")
    more = " ".join(f"{key}={value!r}" for key, value in line.items() if key not in _FIRST)
    coloured = out.coloured(head, _COLOURS.get(level, ""))
    return f"{coloured} {out.coloured(escaped(more), 'faint')}".rstrip()
