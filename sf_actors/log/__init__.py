"""Logging: structlog's loggers and processors, and the service that each line belongs to.

=============  ==================================================================
module         what it holds
=============  ==================================================================
logger.py      `Logger`, for users: checks the level, then runs structlog's pipeline
pipeline.py    the processors of that pipeline, structlog's and our own
own_lines.py   `PackageLogger`, for the package's own lines, without structlog
writing.py     the common parts of both: the lookup of the scope, the method of a level
line.py        the fields of every line, and the bounds of its values
scope.py       `LogScope`: the levels and the file of one run of a service
open_scopes.py the scopes that are open
current.py     the scope of a context or thread, and its workflow id
rendering.py   a line as JSON, and as text for a terminal
tracebacks.py  an exception as text
standard_library.py
               turns records of the standard library's `logging` into lines
throttle.py    limits how often the same thing is logged
console.py     standard error
file.py        a log file, which services of one process can share
hourly_file.py the same, locked and rotated hourly
trusted.py     paths that other users of the machine cannot influence
level.py       levels and their names
=============  ==================================================================

A logger does not belong to a service; at each call it looks up the scope:

1. the one entered in the current context, else
2. that of the thread, which belongs to the service that started it, else
3. the one in which `get_logger` was called, as in the globals of a service file, else
4. none: the line goes only to the console, from INFO up, with `service` None.

Nothing is configured globally: `structlog.configure` is not used, and the root logger changes only
if `log_standard_library` is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sf_actors.log.current import WORKFLOW_ID, current_scope
from sf_actors.log.level import parse_level

if TYPE_CHECKING:
    from sf_actors.log.logger import Logger, get_logger
    from sf_actors.log.own_lines import PackageLogger, package_logger
    from sf_actors.log.scope import LogScope
    from sf_actors.log.standard_library import log_standard_library

__all__ = [
    "WORKFLOW_ID",
    "LogScope",
    "Logger",
    "PackageLogger",
    "current_scope",
    "get_logger",
    "log_standard_library",
    "package_logger",
    "parse_level",
]

#: The modules of names that are imported on first use: structlog takes longer to import than all
#: that a service without a logger needs.
_HOMES = {
    "LogScope": "scope",
    "Logger": "logger",
    "PackageLogger": "own_lines",
    "get_logger": "logger",
    "log_standard_library": "standard_library",
    "package_logger": "own_lines",
}


def __getattr__(name: str) -> object:
    """Import a name of the package; any thread."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
