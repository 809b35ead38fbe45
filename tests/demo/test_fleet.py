"""The demonstration as a fleet."""

from __future__ import annotations

import sys

import pytest

from sf_actors.definition.source import PACKAGE
from sf_actors.demo.market import FOLDER, tasks
from sf_actors.fleet.check import check
from sf_actors.fleet.fleet_file import read_fleet


@pytest.mark.slow
def test_nothing_is_wrong_with_it() -> None:
    assert check(read_fleet(FOLDER / "fleet.toml")).findings == ()


def test_what_others_come_after_is_run_first_and_main_last() -> None:
    found = tasks()

    assert [task.name for task in found] == ["exchange", "book_keeper", "trader", "screen"]
    assert [task.service.main for task in found] == [False, False, True, True]


def test_what_was_read_of_it_leaves_no_module_behind() -> None:
    before = set(sys.modules)
    tasks()

    assert not [name for name in set(sys.modules) - before if name.startswith(PACKAGE)]


def test_its_services_meet_within_the_process() -> None:
    addresses = {
        address
        for task in tasks()
        for models in task.addresses.values()
        for side in models.values()
        for sockets in side.values()
        for address in sockets.values()
    }

    assert len(addresses) == 6
    assert all(address.startswith("inproc://") for address in addresses)
