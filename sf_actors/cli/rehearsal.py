"""Loads a service without starting it, in its own process, for `--reload`.

It prints the stamps of the files that were imported from the service's folder, as one JSON object.
The output of user code goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.arguments import Arguments, parse
from sf_actors.cli.command import NOT_READY, given_to, print_failure
from sf_actors.cli.file_stamps import stamps_of
from sf_actors.definition.service_file import load
from sf_actors.definition.source import source_of
from sf_actors.lifecycle.loading import Loading

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long the tasks of `async` hooks may take to end, in seconds.
_ENDING_S = 1.0


def main(argv: Sequence[str]) -> int:
    """Load the service of a command line.

    :returns: 0, or 2 if it cannot be loaded, with the error on standard error
    """
    try:
        arguments = parse(argv)
        if not isinstance(arguments, Arguments):
            return NOT_READY
        with redirect_stdout(sys.stderr):
            _load(arguments)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        print_failure(error)
        return NOT_READY
    folder = Path(arguments.service_path).absolute().parent
    files = {path for path in map(_file_of, list(sys.modules.values())) if folder in path.parents}
    print(json.dumps(stamps_of(sorted(files))))  # noqa: T201 - for the process above
    return 0


def _load(arguments: Arguments) -> None:
    config, addresses = given_to(arguments)
    loading = Loading(stop_timeout_s=_ENDING_S, nudge=lambda: None)
    source = source_of(arguments.service_path, None)

    def prepare() -> None:
        file = load(source, blocking=loading.event_loop.blocking)
        file.prepare(
            config,
            addresses or {},
            main_mode=arguments.main_mode,
            allow_inbound=arguments.allow_inbound,
        )

    try:
        loading.run(prepare)
    finally:
        loading.event_loop.end(_ENDING_S)


def _file_of(module: object) -> Path:
    return Path(getattr(module, "__file__", None) or "/").absolute()


def run() -> None:
    """Run this process and exit, even if the file has started threads."""
    status = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
