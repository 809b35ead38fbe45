"""`stats`, `health` and `wait`: the numbers of a service, and what follows from them."""

from __future__ import annotations

import signal
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors import UsageError
from sf_actors.cli.verbs import health, wait
from tests.inspection.test_command_line import service_file
from tests.support.freezing import freeze
from tests.support.processes import Process
from tests.support.services import Background, ask
from tests.support.shell import echoing, looked_at, ran_here
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell
    from tests.support.services import Gate


def test_a_service_is_shown_model_by_model(shell: Shell) -> None:
    service = echoing("desk")
    with looked_at(service):
        ask(service.addresses["connections"]["in"]["echo"]["replyer"])
        found = shell("stats", "desk")
        as_json = shell("stats", "desk", "--json").objects[0]

    assert found.out.startswith("desk: READY for ")
    assert "in/echo         1     1        1" in found.out
    assert as_json["service"]["connections"]["in"]["echo"]["received"] == 1
    assert {"cpu_s", "rss_bytes", "threads", "descriptors"} <= set(as_json["process"])
    assert as_json["running"] == []


@pytest.mark.slow
def test_a_call_that_runs_long_is_shown_with_its_line(shell: Shell, gate: Gate) -> None:
    service = echoing("desk", gate)

    def stats_of_what_runs_long() -> str:
        out: str = shell("stats", "desk").out
        return out if "runs long: " in out else ""

    with looked_at(service):
        address = service.addresses["connections"]["in"]["echo"]["replyer"]
        asking = Background(ask, address)
        gate.entered.get(timeout=PATIENCE_S)
        out = until(stats_of_what_runs_long, "the call that runs long")
        gate.may_end.set()
        asking.join()

    assert "echo" in out
    assert "services.py:" in out


def test_it_is_healthy_when_it_is_ready(shell: Shell) -> None:
    with looked_at(echoing("desk")):
        assert shell("health", "desk") == (0, "healthy\n", "")
        assert shell("wait", "desk") == (0, "", "")
        assert shell("wait", "desk", "--for", "live").status == 0


def test_it_is_not_healthy_when_a_handler_is_stuck(shell: Shell, gate: Gate) -> None:
    answer = {
        "service": {"phase": "READY"},
        "running": [{"model": "echo", "since_s": 61.0, "at": "svc.py:3"}],
    }

    assert health.reason_against(answer, 60.0) == "echo runs for 1m01s at svc.py:3"
    assert not health.reason_against(answer, 0)
    answer["running"][0]["model"] = "main"  # type: ignore[index]
    assert not health.reason_against(answer, 60.0)


def test_what_is_stuck_is_said_by_the_process_unless_the_verb_says_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(health, "reason_against", lambda _, after_s: asked.append(after_s) or "")
    with looked_at(echoing("desk")):
        with closing(sf_actors.http("127.0.0.1:0", stuck_after_s=7)):
            assert shell("health", "desk").status == 0
            assert shell("health", "desk", "--stuck-after", "3").status == 0
        assert shell("health", "desk").status == 0
    assert asked == [7, 3, 60]


def stats(phase: str = "READY", **states: str) -> dict[str, Any]:
    in_states = {name: {"status": {"phase": one}} for name, one in states.items()}
    return {"phase": phase, "states": {"in": in_states}}


@pytest.mark.parametrize(
    ("numbers", "wanted", "reason"),
    [
        (stats(), "ready", ""),
        (stats("STARTING"), "ready", "expected READY, it is STARTING"),
        (stats(book="STALE"), "ready", ""),
        (stats(book="STALE"), "live", "expected book to be LIVE, it is STALE"),
        (stats(book="LIVE", more="STALE"), "live:book", ""),
        (stats("STOPPING", book="LIVE"), "live:book", "expected READY, it is STOPPING"),
    ],
)
def test_what_is_waited_for_is_so_or_there_is_a_reason(
    numbers: dict[str, Any], wanted: str, reason: str
) -> None:
    assert wait.reason_against(numbers, wanted) == reason


def test_a_state_that_it_has_not_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="got 'bok'; did you mean 'book'"):
        wait.reason_against(stats(book="LIVE"), "live:bok")


def test_what_does_not_run_in_time_is_exit_status_3(shell: Shell) -> None:
    found = shell("wait", "desk", "--timeout", "0.2")

    assert found.status == 3
    assert "expected a service that runs, got 'desk'" in found.err


STARTING = """
import time
def init_function(stopping):
    print('starting', flush=True)
    stopping.wait(60)
def main():
    pass
"""


@pytest.mark.slow
def test_what_is_not_ready_in_time_is_exit_status_1_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(STARTING)
    with Process("-s", str(tmp_path / "svc.py"), "-m") as process:
        process.wait_for_line("starting")
        until(lambda: ran_here("health", "svc").status == 1, "the service")
        found = ran_here("wait", "svc", "--timeout", "1.5")
        unhealthy = ran_here("health", "svc")
        assert ran_here("stop", "svc", "--json").objects == [
            {"service": "svc", "pid": process.popen.pid, "stopped": True}
        ]
        process.wait()

    assert found.status == 1
    assert "expected READY, it is STARTING" in found.err
    assert unhealthy.status == 1


@pytest.mark.slow
def test_each_look_at_what_is_frozen_has_only_the_time_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("def main(stopping):\n    stopping.wait(60)\n")
    with Process("-s", str(tmp_path / "svc.py"), "-m") as process:
        process.wait_for_event("ready")
        freeze(process.popen.pid)
        began = monotonic()
        found = ran_here("wait", "svc", "--timeout", "3")
        took = monotonic() - began
        process.interrupt(signal.SIGCONT)

    assert found.status == 124
    assert 3 <= took < 5


@pytest.mark.slow
def test_sigterm_ends_what_would_end_by_itself_with_143() -> None:
    with Process("wait", "nosuch", "--timeout", "30") as waiting:
        waiting.wait_for_line("waiting for nosuch")
        waiting.interrupt(signal.SIGTERM)
        assert waiting.wait() == 143


@pytest.mark.slow
def test_numbers_of_each_second_end_by_sigterm_with_0_and_by_its_end_with_3(
    tmp_path: Path,
) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        with Process("stats", "svc", "-w", "--json") as one, Process("stats", "svc", "-w") as other:
            one.wait_for_line("READY")
            one.interrupt(signal.SIGTERM)
            assert one.wait() == 0
            other.wait_for_line("READY")
            process.popen.kill()
            assert other.wait() == 3
    assert "has ended" in other.err[-1]
