"""`loglevel` and `stop`: what changes a service that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.shell import echoing, looked_at

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


def test_levels_are_set_and_those_before_are_printed(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        before = shell("loglevel", "desk", "critical", "--json")
        after = shell("loglevel", "desk")

    assert before.objects[0]["console"] is None
    assert before.err.endswith(": console CRITICAL\n")
    assert after.out == "console CRITICAL, file NONE\n"


def test_a_level_of_a_file_that_is_not_there_is_refused(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        found = shell("loglevel", "desk", "--file-level", "DEBUG")

    assert found.status == 1
    assert "desk writes no log file" in found.err


def test_a_stopped_service_is_gone_when_it_returns(shell: Shell) -> None:
    one, other = echoing("one"), echoing("other")
    with looked_at(one, other):
        found = shell("stop", "one", "--json")
        assert found.objects == [{"service": "one", "pid": os.getpid(), "stopped": True}]
        assert not one.is_running
        assert other.is_running
        assert shell("stop", "one").status == 3
