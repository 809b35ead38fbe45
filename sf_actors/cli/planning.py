"""What comes before a fleet runs: its services are read, joined and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sf_actors.fleet.addresses import Choose
    from sf_actors.fleet.findings import Finding
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.plan import Plan


def checked_plan(fleet: Fleet, choose: Choose, say: Callable[[str], None]) -> Plan | None:
    """Return the plan of a fleet; None where it has errors, which are told of.

    :param choose: the address of a socket that binds, where the file has none
    :param say: takes the errors, or one line about the warnings
    """
    from sf_actors.fleet.links import link  # noqa: PLC0415 - after -h
    from sf_actors.fleet.plan import plan_of  # noqa: PLC0415
    from sf_actors.fleet.reading import read_services  # noqa: PLC0415

    read = read_services(fleet)
    linked = link(fleet, read.outlines)
    findings = [*read.findings, *linked.findings]
    errors = [one for one in findings if one.is_error]
    for one in errors:
        say(escaped(str(one)))
    if errors:
        return None
    _tell_warnings([one for one in findings if not one.is_error], say)
    return plan_of(fleet, read.outlines, linked, choose)


def _tell_warnings(warnings: Sequence[Finding], say: Callable[[str], None]) -> None:
    if warnings:
        codes = ", ".join(dict.fromkeys(one.code for one in warnings))
        say(f"{len(warnings)} warnings ({codes}): sf_actors check shows them")
