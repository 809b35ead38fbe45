"""Checks a fleet before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet


def checked_fleet(
    fleet: Fleet, report: Callable[[str], None], *, in_process: bool
) -> Checked | None:
    """Check a fleet before it runs; None if it has errors, which are passed to `report`.

    :param report: takes the errors, or one line about the warnings
    """
    from sf_actors.fleet.check import check  # noqa: PLC0415 - after -h

    found = check(fleet, in_process=in_process)
    if found.has_errors:
        for one in found.findings:
            if one.is_error:
                report(escaped(str(one)))
        return None
    if found.findings:
        codes = ", ".join(dict.fromkeys(one.code for one in found.findings))
        count = len(found.findings)
        report(f"{count} warning{'s' * (count > 1)} ({codes}): sf_actors check shows them")
    return found
