"""`watch`: what passes a model, across restarts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.testing import module_of
from tests.cli.test_call import exchange
from tests.inspection.test_command_line import service_file
from tests.inspection.test_taps import publishing
from tests.support.freezing import freeze
from tests.support.processes import PATIENCE_S, ROOT, Process
from tests.support.services import ask, service_of
from tests.support.shell import echoing, looked_at, ran

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors import Service
    from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

KEYS = {"time", "service", "model", "side", "kind", "workflow_id", "number", "args"}


def next_object(process: Process) -> dict[str, Any]:
    """Return the next line that a verb printed."""
    found: dict[str, Any] = json.loads(process.wait_for_line(lambda line: line.startswith("{")))
    return found


@pytest.fixture
def desk() -> Iterator[str]:
    """Give the address of a replyer, `desk/echo`, that can be looked at."""
    service = echoing("desk")
    with looked_at(service):
        yield service.addresses["connections"]["in"]["echo"]["replyer"]


@pytest.fixture
def publisher() -> Iterator[Service]:
    """Give a service with a publisher and two states that can be looked at."""
    service = publishing()
    with looked_at(service):
        yield service


def until_watched(watch: Process, address: str) -> dict[str, Any]:
    """Ask until a request was watched, which the stream begins to be at some moment."""
    is_over = threading.Event()

    def go_on_asking() -> None:
        while not is_over.is_set():
            ask(address)

    thread = threading.Thread(target=go_on_asking)
    thread.start()
    try:
        return next_object(watch)
    finally:
        is_over.set()
        thread.join()


def test_a_request_is_printed_with_its_reply(desk: str) -> None:
    with Process("watch", "desk/echo", "-n", "1") as watch:
        record = until_watched(watch, desk)
        assert watch.wait() == 0

    assert set(record) >= KEYS | {"reply", "took_s"}
    assert (record["kind"], record["args"], record["reply"]) == ("request", {"n": 1}, {"n": 1})


def test_of_a_state_its_value_comes_first_and_then_each_update(publisher: Service) -> None:
    to_send = publisher.to_send
    to_send("state", "book", {"title": "a", "bids": {}, "is_snapshot": True})
    with Process("watch", "book") as watch:
        first = next_object(watch)
        for number in range(50):
            to_send("state", "book", {"title": str(number)})
        titles = [next_object(watch)["args"]["title"] for _ in range(50)]
        watch.interrupt(signal.SIGTERM)
        assert watch.wait() == 0

    assert (first["kind"], first["args"]) == ("value", {"title": "a", "bids": {}})
    assert titles == [str(number) for number in range(50)]


def test_the_whole_value_is_printed_each_time_if_it_is_wanted(publisher: Service) -> None:
    one, two = Decimal("1.0"), Decimal("2.0")
    to_send = publisher.to_send
    to_send("state", "book", {"title": "a", "bids": {one: one}, "is_snapshot": True})
    with Process("watch", "book", "--value", "-n", "4") as watch:
        values = [next_object(watch)["args"]]
        to_send("state", "book", {"bids": {two: two}})
        to_send("state", "book", {"bids": {one: None}})
        to_send("state", "book", {"title": "b", "bids": {}, "is_snapshot": True})
        values += [next_object(watch)["args"] for _ in range(3)]
        assert watch.wait() == 0

    assert values == [
        {"title": "a", "bids": {"1.0": "1.0"}},
        {"title": "a", "bids": {"1.0": "1.0", "2.0": "2.0"}},
        {"title": "a", "bids": {"2.0": "2.0"}},
        {"title": "b", "bids": {}},
    ]


def test_a_rate_is_a_line_a_second(publisher: Service) -> None:
    to_send = publisher.to_send
    to_send("state", "clock", {"n": 0})
    with Process("watch", "clock", "--rate", "-n", "3") as watch:
        first = next_object(watch)
        for n in range(30):
            to_send("state", "clock", {"n": n})
        second, third = next_object(watch), next_object(watch)
        assert watch.wait() == 0

    assert set(first) == {"per_s", "bytes_per_s", "gaps", "age_s"}
    # on a busy machine a line comes later than a second after the one before
    assert 30 / 10 < second["per_s"] + third["per_s"] < 30 * 1.05
    assert second["gaps"] == third["gaps"] == 0
    assert 0 <= third["age_s"] < PATIENCE_S


def test_the_value_of_what_is_no_state_is_a_usage_error(shell: Shell, desk: str) -> None:
    del desk
    found = shell("watch", "desk/echo", "--value")

    assert found.status == 2
    assert "expected a state" in found.err


def test_a_model_that_nothing_passes_is_exit_status_3(shell: Shell) -> None:
    timer = {
        "connection_type": "timer",
        "required_creation_arguments": {"every_s": 1000.0, "on_time": lambda: None},
    }
    service = service_of(module_of(connection_models={"in": {"tick": timer}}), name="desk")
    with looked_at(service):
        found = shell("watch", "tick")

    assert found.status == 3
    assert "got 'tick', which is a timer" in found.err


def test_without_a_line_in_time_it_is_exit_status_124(desk: str) -> None:
    del desk
    assert ran("watch", "desk/echo", "--timeout", "1.5") == (124, "", "")


def test_a_time_of_years_is_waited_as_any_other(publisher: Service) -> None:
    publisher.to_send("state", "clock", {"n": 1})

    assert ran("watch", "clock", "-n", "1", "--timeout", "9000000000").status == 0


def test_a_process_that_is_silent_does_not_hold_it_up_beyond_its_time(tmp_path: Path) -> None:
    with Process(*service_file(tmp_path)) as process:
        process.wait_until_ready()
        freeze(process.popen.pid)
        found = ran("watch", "svc/echo", "--timeout", "0.3")
        process.interrupt(signal.SIGCONT)

    assert found.status == 124
    assert "no answer within 0.3 s" in found.err


def test_with_a_line_in_time_it_is_exit_status_0(publisher: Service) -> None:
    publisher.to_send("state", "clock", {"n": 1})
    found = ran("watch", "clock", "--timeout", "3")

    assert found.status == 0
    assert [one["kind"] for one in found.objects] == ["value"]


def test_it_waits_for_what_is_not_there_yet_and_says_what_for() -> None:
    with Process("watch", "desk/echo", "-n", "1") as watch:
        watch.wait_for_line("waiting for desk/echo: expected a service that runs")
        service = echoing("desk")
        with looked_at(service):
            address = service.addresses["connections"]["in"]["echo"]["replyer"]
            assert until_watched(watch, address)["args"] == {"n": 1}
            assert watch.wait() == 0


def test_a_name_that_misses_one_by_a_letter_is_told_while_it_waits(desk: str) -> None:
    del desk
    with Process("watch", "desk/ecoh") as watch:
        watch.wait_for_line("did you mean 'echo'?")
        watch.interrupt()
        assert watch.wait() == 130


def test_it_joins_again_after_a_restart(tmp_path: Path) -> None:
    arguments = service_file(tmp_path)
    with Process(*arguments) as first:
        address = first.wait_until_ready()["echo.replyer"]
        with Process("watch", "svc/echo") as watch:
            until_watched(watch, address)
            first.popen.kill()
            watch.wait_for_line("waiting for svc/echo: ")
            with Process(*arguments) as second:
                address = second.wait_until_ready()["echo.replyer"]
                assert until_watched(watch, address)["service"] == "svc"
            watch.interrupt(signal.SIGTERM)
            assert watch.wait() == 0


def test_it_ends_when_who_reads_has_gone_though_nothing_passes(desk: str) -> None:
    del desk
    command = [sys.executable, "-m", "sf_actors", "watch", "desk/echo"]
    watch = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watch.stdout is not None
    assert watch.stderr is not None
    watch.stdout.close()
    with watch.stderr:
        assert watch.wait(PATIENCE_S) == 0
        assert watch.stderr.read() == b""


def test_a_handler_that_raises_is_printed_with_its_error() -> None:
    def on_order() -> None:
        raise ValueError("no")

    service = exchange(on_order)
    with looked_at(service), Process("watch", "order", "-n", "1") as watch:
        address = service.addresses["connections"]["in"]["order"]["replyer"]
        record = until_watched(watch, address)
        assert watch.wait() == 0

    assert record["error"]["type"] == "ValueError"
