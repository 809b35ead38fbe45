"""The entry point: runs a verb, the first argument, or leaves a service to `command`.

A verb imports only what it needs, so that it starts within 0.4 s.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from sf_actors.cli.collector import COLLECTOR
from sf_actors.cli.stderr import report
from sf_actors.cli.streams import open_missing_streams, status_without
from sf_actors.cli.verb_table import BY_NAME, listed
from sf_actors.errors import (
    BindError,
    FolderError,
    RequestTimeout,
    SfActorsError,
    TargetError,
    UsageError,
    UserError,
)
from sf_actors.wording import nearest, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

#: Exit statuses: failed or found something, wrong usage, target not there, no answer in time,
#: Ctrl-C, SIGTERM.
FAILED, USAGE, ABSENT, NO_ANSWER = 1, 2, 3, 124
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

#: Exit statuses by type of error; the first match counts.
_STATUSES = (
    (TargetError, ABSENT),
    (FolderError, FAILED),
    (BindError, FAILED),
    (UserError, USAGE),
    (RequestTimeout, NO_ANSWER),
    (SfActorsError, FAILED),
)


class Terminated(BaseException):
    """SIGTERM came; a verb that runs until it is stopped catches this and ends."""


def run() -> None:
    """Run the command line of this process and exit; the entry point of the console script."""
    COLLECTOR.pause()
    argv = sys.argv[1:]
    try:
        if argv and (
            argv[0].startswith("-") or (argv[0] in BY_NAME and not BY_NAME[argv[0]].module)
        ):
            from sf_actors.cli.command import run as run_command  # noqa: PLC0415 - verbs do without

            run_command()
            return
        try:
            open_missing_streams()
            signal.signal(signal.SIGTERM, terminate)
            status = main(argv)
            sys.stdout.flush()
        finally:
            _leave_signals()
    except BaseException as error:
        found = _status_of(error)
        if found is None:
            raise
        status = found
    with suppress(KeyboardInterrupt, Terminated):
        # the second of two signals may have come before the first time
        _leave_signals()
    sys.exit(status)


def _status_of(error: BaseException) -> int | None:
    """Return the exit status for an error that a signal or a closed stream caused, or None.

    What a signal raises may end in another error, for instance in argparse, whose clean-up does not
    expect it.
    """
    one: BaseException | None = error
    while one is not None and not isinstance(one, SystemExit):
        if isinstance(one, KeyboardInterrupt | Terminated):
            return INTERRUPTED if isinstance(one, KeyboardInterrupt) else TERMINATED
        one = one.__context__
    return status_without(error) if isinstance(error, OSError) else None


def _leave_signals() -> None:
    """Let no signal raise any more: a traceback would be printed during the short shutdown."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(argv: Sequence[str]) -> int:
    """Run a verb.

    :param argv: without the program's name
    :returns: the exit status
    """
    if not argv:
        report(f"expected a verb, or -s svc.py to run a service; -h explains\n{listed()}".rstrip())
        return USAGE
    try:
        return _run_verb(argv[0], argv[1:])
    except SfActorsError as error:
        report(text_of(error))
        return next(status for kind, status in _STATUSES if isinstance(error, kind))


def _run_verb(name: str, argv: Sequence[str]) -> int:
    verb = BY_NAME.get(name)
    if verb is None:
        hint = nearest(name, BY_NAME) or f"; there are {', '.join(BY_NAME)}"
        raise UsageError(f"expected a verb or a flag, got {name!r}{hint}")
    from importlib import import_module  # noqa: PLC0415 - not needed to list the verbs

    module = import_module(verb.module)
    COLLECTOR.resume()
    status: int = module.run(argv)
    return status


def terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM by raising Terminated."""
    raise Terminated
