"""`dashboards`: writes a dashboard for Grafana, and alerts for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.flags import text_of
from sf_actors.cli.output import Output, to_json
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.errors import SfActorsError
from sf_actors.inspection.dashboards.alerts import rules
from sf_actors.inspection.dashboards.grafana import dashboard
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Write both files into a folder, and print their paths."""
    parser = verb_parser(
        "dashboards",
        "Write grafana.json, a dashboard, and alerts.yml, rules for Prometheus, for the metrics "
        "that services have with --http.",
        example="sf_actors dashboards -o ./monitoring",
        has_timeout=False,
    )
    parser.add_argument(
        "-o", dest="out", metavar="DIR", required=True, type=text_of, help="a folder; it is created"
    )
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)
    folder = Path(arguments.out)
    files = {"grafana.json": to_json(dashboard(), indent=2) + "\n", "alerts.yml": rules()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SfActorsError(f"-o: cannot write to {arguments.out!r}: {reason_of(error)}") from None
    for name in files:
        path = str(folder / name)
        if out.as_json:
            out.emit({"file": path})
        else:
            out.line(path)
    return 0
