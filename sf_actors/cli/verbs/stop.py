"""`stop`: stops a service gracefully and waits until it is gone."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.cli.fleet_run_folder import run_folder_here
from sf_actors.cli.output import Output
from sf_actors.cli.parser import TIMEOUT_S, parsed, verb_parser
from sf_actors.cli.polling import poll_until
from sf_actors.cli.remote_services import RemoteServices, add_remote_flags, service_named
from sf_actors.cli.stderr import report
from sf_actors.errors import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.cli.target import RemoteService

#: How long to wait before saying so, and between two looks, in seconds.
REPORTING_S, BETWEEN_S = 1.0, 0.05


def run(argv: Sequence[str]) -> int:
    """Ask a service to stop, and wait until it has ended."""
    parser = verb_parser(
        "stop",
        "Stop a service gracefully, within its own --stop_timeout_s, and wait until it is gone. "
        "In the folder of a fleet: all its instances, which are not started again. "
        "With --timeout the wait ends after that time, and the stop goes on.",
        example="sf_actors stop exchange",
        timeout_s=None,
    )
    add_remote_flags(parser)
    parser.add_argument("service", metavar="SERVICE", help="a service that runs")
    arguments = parsed(parser, argv)
    if arguments.at is None and (run_folder := run_folder_here(arguments)) is not None:
        from sf_actors.cli.fleet_requests import stop_in_fleet  # noqa: PLC0415 - in its folder alone

        stopped = stop_in_fleet(run_folder, arguments)
        if stopped is not None:
            return stopped
    deadline = None if arguments.timeout is None else monotonic() + arguments.timeout
    arguments.timeout = TIMEOUT_S if arguments.timeout is None else arguments.timeout
    out = Output(as_json=arguments.json)
    with RemoteServices.of(arguments) as remote:
        service = service_named(remote, arguments.service)
        remote.ask(service, "stop")
        report_at = monotonic() + REPORTING_S
        soon = report_at if deadline is None else min(deadline, report_at)
        gone = poll_until(lambda: _gone(remote, service), deadline=soon, between_s=BETWEEN_S)
        if gone is None:
            report(f"waiting for the end of {service}")
            gone = poll_until(lambda: _gone(remote, service), deadline=deadline)
    if gone is None:
        raise RequestTimeout(f"{service} has not ended within {arguments.timeout:g} s")
    if out.as_json:
        out.emit({"service": service.name, "pid": service.pid, "stopped": True})
    else:
        report(f"{service} has stopped")
    return 0


def _gone(remote: RemoteServices, service: RemoteService) -> bool | None:
    """Return True if a service does not run any more, else None.

    :raises RequestTimeout: its process does not answer
    """
    if remote.is_gone(service.inspector):
        return True
    try:
        ping = remote.client.ask(service.inspector, "ping", timeout_s=remote.timeout_s)
    except RequestTimeout:
        # it may have ended between the two requests
        if remote.is_gone(service.inspector):
            return True
        raise
    return None if service.name in ping["services"] else True
