"""`up`: runs a fleet on this machine, and supervises it."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from sf_actors.cli import stderr
from sf_actors.cli.flags import seconds_of
from sf_actors.cli.fleets import add_fleet, fleet_of
from sf_actors.cli.parser import parsed, verb_parser
from sf_actors.cli.ray_flags import add_on, is_on_ray
from sf_actors.cli.shell import FAILED
from sf_actors.errors import SfActorsError, TargetError, UsageError
from sf_actors.inspection.folder import pin_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.cli.background import Reports
    from sf_actors.cli.fleet_lines import Show
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.run_folder import RunFolder
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.task import Task

#: How long all of a fleet may take to be READY with `-d`, in seconds.
WAIT_S = 60.0


def run(argv: Sequence[str]) -> int:
    """Run a fleet until it ends."""
    parser = verb_parser(
        "up",
        "Check a fleet, start it, show its log lines, restart what fails, and stop it in order "
        "with Ctrl-C. With names: these services, and those that they come after. If the fleet "
        "runs already, the running up starts what is missing.",
        example="sf_actors up",
        has_timeout=False,
    )
    add_fleet(parser)
    parser.add_argument(
        "-d", "--detach", action="store_true", help="leave it in the background once all are READY"
    )
    parser.add_argument(
        "--wait",
        type=seconds_of,
        default=None,
        metavar="SECONDS",
        help=f"with -d: how long that may take (default {WAIT_S:g})",
    )
    parser.add_argument(
        "--in-process", action="store_true", help="run everything in this process, under a debugger"
    )
    parser.add_argument(
        "--reload", action="store_true", help="restart a service when one of its files changes"
    )
    add_on(parser)
    parser.add_argument("--report", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="SERVICE", help="only these services")
    arguments = parsed(parser, argv)
    pin_folder()
    fleet = fleet_of(arguments)
    require_services(fleet, arguments.names)
    if arguments.wait is not None and not arguments.detach:
        raise UsageError("--wait: expected -d beside it, got none")
    wait_s = WAIT_S if arguments.wait is None else arguments.wait
    if is_on_ray(arguments):
        if arguments.in_process or arguments.reload:
            raise UsageError("--on ray: expected neither --in-process nor --reload beside it")
        from sf_actors.cli.up_on_ray import run_on_ray  # noqa: PLC0415 - needs the extra

        return run_on_ray(fleet, arguments, wait_s=wait_s)
    if arguments.detach and arguments.in_process:
        raise UsageError("-d: expected a fleet in processes, got --in-process")
    if arguments.reload:
        require_extra("--reload", "watchfiles")
        if arguments.in_process:
            # a process imports a module only once
            raise UsageError("--reload: expected a fleet in processes, got --in-process")
    if arguments.detach:
        from sf_actors.cli.background import put_into_background  # noqa: PLC0415 - seldom used

        flags = ["--reload"] * arguments.reload
        return put_into_background(fleet, [*flags, *arguments.names], wait_s=wait_s)
    if arguments.report is None:
        return _take_and_run(fleet, arguments, None)
    from sf_actors.cli.background import Reports  # noqa: PLC0415 - seldom used

    reports = Reports(arguments.report)
    status = FAILED
    try:
        status = _take_and_run(fleet, arguments, reports)
    except SfActorsError as error:
        reports.report(str(error))
    finally:
        reports.finish(status)
    return status


def _take_and_run(fleet: Fleet, arguments: argparse.Namespace, reports: Reports | None) -> int:
    from sf_actors.cli.fleet_run_folder import take_run_folder  # noqa: PLC0415 - after -h
    from sf_actors.fleet.run_folder import RunFolder  # noqa: PLC0415

    report = stderr.report if reports is None else reports.report
    run_folder = RunFolder(fleet.mark)
    connection = take_run_folder(run_folder, report)
    if connection is not None:
        from sf_actors.fleet.control import ask  # noqa: PLC0415 - seldom used

        services = list(fleet.by_name)
        answer = ask(connection, report, verb="start", names=arguments.names, services=services)
        return int(answer.get("status", FAILED))
    try:
        return _run(fleet, run_folder, arguments, reports)
    finally:
        run_folder.leave()


def require_extra(flag: str, module: str) -> None:
    """Refuse a flag whose dependency is not installed.

    :raises UsageError: the module is missing
    """
    from importlib.util import find_spec  # noqa: PLC0415 - seldom used

    if find_spec(module) is None:
        raise UsageError(f"{flag} needs the extra cli: pip install 'sf_actors[cli]'")


def require_services(fleet: Fleet, names: Sequence[str]) -> None:
    """Refuse names that are neither a service nor an instance of a fleet.

    :raises TargetError: there is one
    """
    from sf_actors.wording import nearest  # noqa: PLC0415 - after -h

    known = {service.name for service in fleet.services}
    known |= {name for service in fleet.services for name in service.instance_names}
    for name in names:
        if name not in known:
            raise TargetError(
                f"expected a service of {fleet.path.name}, got {name!r}{nearest(name, known)}"
            )


def _run(
    fleet: Fleet, run_folder: RunFolder, arguments: argparse.Namespace, reports: Reports | None
) -> int:
    from sf_actors.cli.fleet_check import checked_fleet  # noqa: PLC0415
    from sf_actors.cli.fleet_lines import FleetLines, nowhere  # noqa: PLC0415 - after -h
    from sf_actors.fleet.addresses import inproc_addresses, ipc_addresses  # noqa: PLC0415
    from sf_actors.fleet.arrangement import Addresses, Arrangement  # noqa: PLC0415
    from sf_actors.fleet.changes import FleetChanges  # noqa: PLC0415
    from sf_actors.fleet.control import ControlSocket  # noqa: PLC0415
    from sf_actors.fleet.supervisor import Supervisor  # noqa: PLC0415
    from sf_actors.fleet.verb_answers import VerbAnswers  # noqa: PLC0415

    report: Callable[[str], None] = stderr.report if reports is None else reports.report
    # listen early: connections wait in the backlog until the supervisor answers
    listener = run_folder.listen()
    is_here = arguments.in_process
    choose = inproc_addresses(fleet) if is_here else ipc_addresses(fleet, run_folder.path.parent)
    reading: dict[str, Any] = {}
    if is_here:
        from sf_actors.cli.in_process import read_again, require_one_environment  # noqa: PLC0415

        require_one_environment(fleet)
        reading["read_again"] = lambda _request: read_again(fleet.path)
    found = checked_fleet(fleet, report, in_process=is_here)
    if found is None:
        return FAILED
    if reports is None:
        report = stderr.lasting_report()
    arrangement = Arrangement(fleet, found, Addresses(choose))
    instances = list(arrangement.instances())
    show: Show = nowhere
    if reports is None:
        shown = [member.name for member, _ in instances]
        lines = FleetLines(shown, as_json=arguments.json)
        show = lines.guarded(lambda status: supervisor.post(partial(supervisor.end, status=status)))

    def runner(task: Task, *given: Any, **more: Any) -> Runner:
        if is_here:
            from sf_actors.cli.in_process import InProcess  # noqa: PLC0415 - seldom used

            return InProcess(task, *given, post=supervisor.post, **more)
        from sf_actors.fleet.child import Child  # noqa: PLC0415

        return Child(task, *given, folder=fleet.folder, held=run_folder.held, **more)

    supervisor = Supervisor(instances, fleet.folder, show=show, report=report, runner=runner)
    answers = VerbAnswers(supervisor)
    changes = FleetChanges(supervisor, answers, arrangement, in_process=is_here, **reading)
    control = ControlSocket(listener, supervisor.selector, answers.take)
    supervisor.on_over += [
        lambda _status: control.refuse(),
        answers.finish,
        lambda _status: control.close(),
    ]
    names = answers.named(arguments.names)
    if reports is not None:
        reports.follow(supervisor, names)
    if arguments.reload:
        from sf_actors.cli.fleet_reload import Reload  # noqa: PLC0415 - seldom used

        reload = Reload(supervisor, changes, report)
        supervisor.on_over.append(lambda _status: reload.end())
    if any(service.host for service in fleet.services):
        report("hosts of the fleet file are left out: all runs on this machine")
    supervisor.start(names)
    if is_here:
        from sf_actors.cli.in_process import run_here  # noqa: PLC0415 - seldom used

        return run_here(fleet, supervisor, leave=run_folder.leave)
    return supervisor.run()
