"""`sf_actors.http()`, and `--http` of real processes."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors import UsageError
from sf_actors.cli import command
from tests.inspection.http.clients import got, got_json
from tests.support.processes import Process
from tests.support.services import ECHO_ADDRESSES, REPLYER_FILE, echo_service
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


# in a program


def test_stats_are_those_of_all_services_and_of_the_process() -> None:
    with closing(sf_actors.http("127.0.0.1:0")) as server, echo_service(), echo_service():
        status, found = got_json(server.address, "/stats")

    assert status == 200
    names = [service["service"] for service in found["services"]]
    assert names == ["service_under_test", "service_under_test#2"]
    assert found["services"][0]["phase"] == "READY"
    assert found["process"].keys() >= {"cpu_s", "rss_bytes", "threads", "descriptors"}


def test_an_unknown_path_is_told_those_that_there_are() -> None:
    with closing(sf_actors.http("127.0.0.1:0")) as server:
        status, body = got(server.address, "/")

    assert status == 404
    assert b"/livez, /readyz, /metrics, /stats" in body


def test_a_process_has_one_listener() -> None:
    with (
        closing(sf_actors.http("127.0.0.1:0")) as server,
        pytest.raises(UsageError, match=f"listens at {server.address} already"),
    ):
        sf_actors.http("127.0.0.1:0")
    sf_actors.http("127.0.0.1:0").close()


def test_one_that_could_not_be_opened_is_none() -> None:
    with closing(sf_actors.http("127.0.0.1:0")) as server:
        address = server.address
        with closing(sf_actors.inspection.http.listener.Listener("127.0.0.1:0", print)) as other:
            taken = other.address
            server.close()
            with pytest.raises(sf_actors.BindError):
                sf_actors.http(taken)
    sf_actors.http(address).close()


@pytest.mark.parametrize(
    "arguments",
    [
        {"hosts": "orders.example"},
        {"hosts": [1]},
        {"stuck_after_s": -1},
        {"stuck_after_s": "60"},
        {"ready_needs": "book"},
        {"ready_needs": [""]},
    ],
)
def test_an_argument_that_is_wrong_is_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"http: {next(iter(arguments))}: expected"):
        sf_actors.http("127.0.0.1:0", **arguments)


def test_a_name_that_was_given_is_ours() -> None:
    with closing(sf_actors.http("127.0.0.1:0", hosts=["orders.example"])) as server:
        assert got(server.address, "/livez", Host="orders.example")[0] == 200
        assert got(server.address, "/livez", Host="evil.example")[0] == 421


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_the_child_of_a_fork_neither_answers_nor_keeps_the_port() -> None:
    with closing(sf_actors.http("127.0.0.1:0")) as server, ExitStack() as stack:
        began, ending = os.pipe(), os.pipe()
        for descriptor in (*began, ending[0]):
            stack.callback(os.close, descriptor)
        child = os.fork()
        if child == 0:
            os.close(ending[1])
            os.write(began[1], b"1")
            os.read(ending[0], 1)
            os._exit(0)
        try:
            os.read(began[0], 1)
            server.close()
            sf_actors.http(server.address).close()
        finally:
            os.close(ending[1])
            os.waitpid(child, 0)


# of the command line


@pytest.fixture
def service(tmp_path: Path) -> list[str]:
    """Return the flags that run a service with a replyer."""
    (tmp_path / "svc.py").write_text(REPLYER_FILE)
    (tmp_path / "addresses.json").write_text(json.dumps(ECHO_ADDRESSES))
    return ["-s", str(tmp_path / "svc.py"), "-a", str(tmp_path / "addresses.json")]


def free_address() -> str:
    """Return an address that was free a moment ago."""
    with closing(sf_actors.http("127.0.0.1:0")) as server:
        return server.address


def test_a_process_answers_from_before_its_init_function(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text("def init_function(stopping): stopping.wait(30)\n")
    address = free_address()
    with Process("-s", str(tmp_path / "svc.py"), "--http", address) as process:
        until(lambda: is_open(address), "the listener")
        until(lambda: got_json(address, "/readyz")[1]["services"] == {"svc": "STARTING"}, "a start")
        assert got_json(address, "/readyz")[1]["reason"] == "svc is STARTING"
        assert got_json(address, "/livez")[0] == 200

        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0


def test_a_process_that_is_stopped_stops_to_listen(service: list[str]) -> None:
    address = free_address()
    with Process(*service, "--http", address, "--http-host", "a.example") as process:
        process.wait_until_ready()
        assert got_json(address, "/readyz")[1]["ready"] is True
        assert got(address, "/livez", Host="a.example")[0] == 200
        assert got(address, "/livez", Host="b.example")[0] == 421

        process.interrupt()
        assert process.wait() == 0
    assert not is_open(address)


def test_a_bind_that_fails_is_exit_status_2(
    service: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sf_actors.http("127.0.0.1:0")) as server:
        address = server.address
        with Process(*service, "--http", address) as process:
            assert process.wait() == 2
    assert process.err == [f"sf_actors: http: cannot listen at '{address}': Address already in use"]


@pytest.mark.slow
def test_a_need_that_is_no_in_state_is_exit_status_2(service: list[str]) -> None:
    with Process(*service, "--http", "127.0.0.1:0", "--ready-needs", "bok") as process:
        assert process.wait() == 2

    told = [line for line in process.err if line.startswith("sf_actors")]
    assert told == ["sf_actors: --ready-needs: expected an in-state, got 'bok'; there are none"]


@pytest.mark.slow
def test_a_need_that_is_nearly_one_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        "state_models = {'in': {'book': {'state_type': 'full_update', 'required_arguments': {}}}}"
    )
    (tmp_path / "a.json").write_text('{"states": {"in": {"book": "127.0.0.1:1"}}}')
    flags = ["-s", str(tmp_path / "svc.py"), "-a", str(tmp_path / "a.json")]
    flags += ["--http", "127.0.0.1:0", "--ready-needs", "svc/book", "--ready_needs", "boook"]
    with Process(*flags) as process:
        assert process.wait() == 2

    assert "got 'boook'; did you mean 'book'?" in process.err[-1]


@pytest.mark.parametrize("flag", ["--http-host", "--stuck-after", "--ready-needs"])
def test_a_flag_of_http_without_http_is_refused(
    service: list[str], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*service, flag, "5"]) == 2

    assert "expected --http HOST:PORT beside it" in capsys.readouterr().err


def is_open(address: str) -> bool:
    try:
        got(address, "/livez")
    except ConnectionRefusedError:
        return False
    return True
