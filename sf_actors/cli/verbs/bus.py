"""`bus`: connects publishers with subscribers that know only the bus's addresses."""

from __future__ import annotations

import shlex
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING

from sf_actors.cli.notify_socket import notify
from sf_actors.cli.output import Output
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.shell import Terminated
from sf_actors.cli.stderr import report

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from sf_actors.cli.bus import Bus


def run(argv: Sequence[str]) -> int:
    """Forward messages until a signal."""
    parser = verb_parser(
        "bus",
        "Join publishers and subscribers: publishers (is_x_pub) connect to the first address, "
        "subscribers (is_x_sub) to the second. It runs until a signal, and ps lists it as bus.",
        example="sf_actors bus --xsub 127.0.0.1:27010 --xpub 127.0.0.1:27011",
        has_timeout=False,
    )
    parser.add_argument(
        "--xsub", metavar="ADDRESS", required=True, help="for publishers; port 0: a free one"
    )
    parser.add_argument("--xpub", metavar="ADDRESS", required=True, help="for subscribers")
    parser.add_argument(
        "--keys", metavar="DIR", help="folder of CURVE keys; authorized/ may connect"
    )
    arguments = parsed(parser, argv)
    out = Output(as_json=arguments.json)

    def report_bound(bus: Bus) -> None:
        notify("READY=1")
        there = bus.bound
        if out.as_json:
            out.emit(there)
        else:
            report(f"bus: publishers at {there['xsub']}, subscribers at {there['xpub']}")

    return pass_on(
        arguments.xsub,
        arguments.xpub,
        keys=arguments.keys,
        # all its arguments are flags of ours, without secrets
        command=shlex.join(["sf_actors", "bus", *argv]),
        on_bound=report_bound,
    )


def pass_on(
    xsub: str,
    xpub: str,
    *,
    keys: str | os.PathLike[str] | None = None,
    name: str = "bus",
    command: str | None = None,
    on_bound: Callable[[Bus], None],
) -> int:
    """Run a bus until a signal; in the main thread.

    :param keys: the folder of its CURVE keys
    :param name: the name that `ps` and other verbs show
    :param command: the command line that `info` shows; None if the process has set one
    :param on_bound: called when the sockets are bound
    :returns: the exit status
    """
    from sf_actors.cli.bus import Bus  # noqa: PLC0415 - after -h

    loaded = None
    if keys is not None:
        from sf_actors.sockets.keys import load  # noqa: PLC0415 - seldom used

        loaded = load(keys)
    bus = Bus(xsub, xpub, loaded, name=name)
    # in a thread: importing the inspector must not delay the first messages
    seen = threading.Thread(
        target=_be_seen, args=(bus, name, command), name="bus/seen", daemon=True
    )
    try:
        seen.start()
        on_bound(bus)
        bus.run()
    except Terminated:
        notify("STOPPING=1")
        return 0
    finally:
        # a second signal ends the process at once
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        seen.join()
        bus.close()
    return 0


def _be_seen(bus: Bus, name: str, command: str | None) -> None:
    """Make the bus visible to `ps` and other verbs, like a service, until the process ends."""
    from sf_actors.inspection.presence import PRESENCE  # noqa: PLC0415 - see above
    from sf_actors.lifecycle.residents import RESIDENTS, Resident  # noqa: PLC0415
    from sf_actors.user_code.interruptible import UserCode  # noqa: PLC0415

    PRESENCE.is_wanted = True
    if command is not None:
        RESIDENTS.command = partial(str, command)
    RESIDENTS.enter(Resident(name, bus, "bus", UserCode()))
