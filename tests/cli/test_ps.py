"""`ps`: a line a service, of those that do not answer as well."""

from __future__ import annotations

import json
import os
import resource
import signal
from time import monotonic, process_time
from typing import TYPE_CHECKING

import pytest

from sf_actors.testing import module_of
from tests.inspection.test_command_line import service_file
from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.services import Background, ask, service_of
from tests.support.shell import echoing, looked_at, ran, ran_here
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell
    from tests.support.services import Gate

KEYS = {
    "service",
    "pid",
    "phase",
    "started_at",
    "uptime_s",
    "received_per_s",
    "failed",
    "dropped",
    "states",
}


def test_nothing_that_runs_is_the_header_alone(shell: Shell) -> None:
    assert shell("ps") == (
        0,
        "SERVICE  PID  PHASE  UPTIME  RECV/S  FAILED  DROPPED  STATES\n",
        "",
    )


def test_each_service_is_one_object_with_the_keys_of_the_contract(shell: Shell) -> None:
    with looked_at(echoing("one"), echoing("two"), echoing("one")):
        rows = shell("ps", "--json").objects

    assert [row["service"] for row in rows] == ["one", "two", "one#2"]
    assert all(set(row) == KEYS for row in rows)
    assert {row["phase"] for row in rows} == {"READY"}
    assert all(row["received_per_s"] == 0.0 for row in rows)


def test_a_service_has_started_at_the_same_moment_for_ps_and_info(shell: Shell) -> None:
    with looked_at(echoing("one")):
        (row,) = shell("ps", "--json").objects
        (info,) = shell("info", "one", "--json").objects

    assert row["started_at"] == info["started_at"]


def test_a_name_chooses_all_services_of_it(shell: Shell) -> None:
    with looked_at(echoing("one"), echoing("two"), echoing("one")):
        rows = shell("ps", "--json", "one").objects

    assert [row["service"] for row in rows] == ["one", "one#2"]


def test_a_name_that_does_not_run_is_exit_status_3_with_the_nearest(shell: Shell) -> None:
    with looked_at(echoing("exchange")):
        found = shell("ps", "exchagne")

    assert found.status == 3
    assert "did you mean 'exchange'?" in found.err


def test_quiet_prints_each_process_once(shell: Shell) -> None:
    with looked_at(echoing("one"), echoing("two")):
        assert shell("ps", "--quiet") == (0, f"{os.getpid()}\n", "")


@pytest.mark.slow
def test_200_services_of_one_process_are_listed_within_2_s(shell: Shell) -> None:
    timer = {
        "connection_type": "timer",
        "required_creation_arguments": {"every_s": 1000.0, "on_time": lambda: None},
    }
    module = module_of(connection_models={"in": {"timer": timer}})
    services = [service_of(module, name="many") for _ in range(200)]
    with looked_at(*services):
        began, began_at = process_time(), monotonic()
        rows = shell("ps", "--json").objects
        took_s, waited_s = process_time() - began, monotonic() - began_at
        absent = shell("call", "nosuch")

    assert absent.err == "sf_actors: expected a replyer, got 'nosuch'\n"
    assert [row["service"] for row in rows[:3]] == ["many", "many#2", "many#3"]
    assert len(rows) == 200
    # all of it is done by this process, and a busy machine lets it wait
    assert took_s < 2
    assert waited_s < 20


def test_a_service_whose_handler_is_stuck_is_listed(shell: Shell, gate: Gate) -> None:
    service = echoing("stuck", gate)
    with looked_at(service):
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        asking = Background(ask, address)
        gate.entered.get(timeout=PATIENCE_S)
        rows = shell("ps", "--json").objects
        gate.may_end.set()
        asking.join()

    assert [row["phase"] for row in rows] == ["READY"]


@pytest.mark.slow
def test_a_process_that_is_stopped_by_a_signal_is_listed_as_without_an_answer(
    tmp_path: Path,
) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        freeze(process.popen.pid)
        as_json, as_text = ran_here("ps", "--json"), ran_here("ps")
        process.interrupt(signal.SIGCONT)

    row = json.loads(as_json.out)
    assert row == dict.fromkeys(KEYS) | {"service": "svc", "pid": process.popen.pid}
    assert "NO ANSWER" in as_text.out
    assert as_text.status == 0


@pytest.mark.slow
def test_a_process_that_was_killed_is_gone_within_2_s_and_so_is_its_file(
    tmp_path: Path, folder: Path
) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        assert "svc" in ran_here("ps").out
        process.popen.kill()
        process.wait()

        assert ran_here("ps", "--json").out == ""

        def is_removed() -> bool:
            ran_here("ps", "--quiet")
            return not list(folder.iterdir())

        until(is_removed)


@pytest.mark.slow
def test_a_folder_that_others_may_enter_is_refused_with_the_chmod(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    found = ran("ps")

    assert found.status == 1
    assert f"chmod 700 {folder}" in found.err
    assert len(found.err.splitlines()) == 1


def processor_time_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb", ["ps --quiet", "stats x", "call x", "watch x --timeout 0", "new 2"]
)
def test_a_verb_starts_within_400_ms(verb: str) -> None:
    """Of processor time, which a busy machine does not change; there is little to wait for."""

    def took() -> float:
        before = processor_time_of_children()
        ran(*verb.split())
        return processor_time_of_children() - before

    assert took() < 0.4 or took() < 0.4
