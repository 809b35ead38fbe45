"""Logs: structlog's loggers and processors, and what it lacks: which service a line belongs to.

=============  ==================================================================
module         what it holds
=============  ==================================================================
logger.py      `Logger`: checks the level, then runs structlog's pipeline
line.py        the processors of that pipeline, structlog's and ours
scope.py       `LogScope`: the levels and the file of one run of a service
current.py     which scope a context or thread is in, and its workflow id
rendering.py   a line as JSON, and as text for a terminal
tracebacks.py  an exception as text
throttle.py    how often the same thing is logged
console.py     standard error
file.py        a file, rotated hourly
level.py       levels and their names
=============  ==================================================================

A logger holds no service; at each call it looks for the scope:

1. the one entered in the current context, else
2. that of the thread: it belongs to the service that started it, else
3. that in which `get_logger` was called: a service file's globals are its own, else
4. none: the line goes to the console alone, from INFO on, its `service` being None.

Nothing is configured globally: neither `structlog.configure` nor the root logger is touched.
"""

from sf_actors.log.current import WORKFLOW_ID, current_scope
from sf_actors.log.level import parse_level
from sf_actors.log.logger import Logger, get_logger, package_logger
from sf_actors.log.scope import LogScope

__all__ = [
    "WORKFLOW_ID",
    "LogScope",
    "Logger",
    "current_scope",
    "get_logger",
    "package_logger",
    "parse_level",
]
