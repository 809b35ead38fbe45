"""A newcomer's third system: a boss whose jobs four workers do, which are restarted meanwhile."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.effort import effort
from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

FILES = Path(__file__).parent.parent / "newcomer" / "jobs"
JOBS = 24
RESTARTS = effort(4, brief=2)


def test_a_rolling_restart_loses_no_job_and_does_none_twice(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    done = tmp_path / "done.txt"
    done.touch()
    places = [new_address() for _ in range(4)]

    def addresses(name: str, side: str, where: str | list[str]) -> str:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"connections": {side: {"job": where}}}))
        return str(file)

    with ExitStack() as running:

        def start(number: int) -> Process:
            name = f"w{number}"
            given = ("-a", addresses(name, "in", places[number]), "--name", name)
            config = ("--worker", name, "--done", str(done))
            return running.enter_context(Process("-s", "worker.py", *given, *config, cwd=FILES))

        workers = [start(number) for number in range(4)]
        for worker in workers:
            worker.wait_until_ready()
        boss = running.enter_context(
            Process(
                *("-s", "boss.py", "-m", "-cl", "WARNING", "--jobs", str(JOBS)),
                *("-a", addresses("boss", "out", places)),
                cwd=FILES,
            )
        )
        for number in range(RESTARTS):
            # its share, which it may have no time for once it has been restarted
            workers[number].wait_for_event("job done")
            until(lambda: len(done.read_text().split()) > 4 * number, "some jobs", patience_s=30)  # noqa: B023
            workers[number].interrupt(signal.SIGTERM)
            assert workers[number].wait() == 0, workers[number].err
            workers[number] = start(number)
        assert boss.wait() == 0, boss.err
        for worker in workers[:RESTARTS]:
            worker.wait_until_ready()
        for worker in workers:
            worker.interrupt()
            assert worker.wait() == 0, worker.err
    assert sorted(map(int, done.read_text().split())) == list(range(JOBS))
    shares = eval(boss.out[-1])
    assert shares.keys() == {"w0", "w1", "w2", "w3"}
    assert sum(shares.values()) == JOBS
