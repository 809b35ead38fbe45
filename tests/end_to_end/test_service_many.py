"""Many services in one process, and its end."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from sf_actors import ServiceFailed
from tests.support.models import address_of
from tests.support.processes import Process
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    ask,
    client_of,
    echo_service,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


# many


def test_many_services_live_in_one_process_each_its_own_world() -> None:
    count = 30
    modules = [
        replying(lambda args, config: {"n": args["n"] * config["factor"]}) for _ in range(count)
    ]
    services = [
        service_of(module, addresses=ECHO_ADDRESSES, config={"factor": factor})
        for factor, module in enumerate(modules)
    ]
    for service in services:
        service.run_service()
    addresses = [address_of(service) for service in services]
    assert len(set(addresses)) == count
    for factor, address in enumerate(addresses):
        assert ask(address, 10)["return_args"] == {"n": 10 * factor}
    stops = [Background(service.stop_service) for service in services]
    assert [stop.join() for stop in stops] == [None] * count


def test_a_service_that_fails_leaves_the_others_alone() -> None:
    with echo_service() as other:
        failing = service_of(replying(lambda args: sys.exit(1)), addresses=ECHO_ADDRESSES)
        failing.run_service()
        ask(address_of(failing))
        assert failing.wait(PATIENCE_S)
        assert isinstance(failing.failure, ServiceFailed)
        assert ask(address_of(other))["return_args"] == {"n": 1}
        assert other.failure is None


def test_a_stopped_service_can_be_collected() -> None:
    service = echo_service(main=lambda: None)
    service._allow_inbound = True
    service.run_service_as_main()
    assert service.wait(PATIENCE_S)
    service.run_service()
    ask(address_of(service))
    service.stop_service()
    dead = weakref.ref(service)
    run = weakref.ref(service._run)
    del service
    gc.collect()
    assert dead() is None
    assert run() is None


def test_a_service_that_nobody_holds_runs_on() -> None:
    service = echo_service()
    service.run_service()
    address = address_of(service)
    alive = weakref.ref(service)
    del service
    gc.collect()
    with client_of(address) as client:
        client.send(n=4)
        assert client.receive()["return_args"] == {"n": 4}
    found = alive()
    assert found is not None
    found.stop_service()


# the end of the process

SCRIPT = """
import os, sys, threading
from sf_actors import Service, ServiceStopped, UsageError
from sf_actors.lifecycle import stop
from sf_actors.testing import module_of
"""


def script(tmp_path: Path, text: str) -> Process:
    (tmp_path / "script.py").write_text(SCRIPT + text)
    return Process("script.py", module=None, cwd=tmp_path)


def test_a_process_that_ends_stops_its_services_first(tmp_path: Path) -> None:
    # each is interrupted half a second after its stop began, and has long to end
    text = """
stop.INTERRUPTS = (0.05,)
def main(to_send):
    try:
        while True:
            pass
    finally:
        print('main ended', flush=True)
for number in range(2):
    service = Service(module_of(main=main), name=f'svc{number}', stop_timeout_s=10)
    service.run_service_as_main()
"""
    with script(tmp_path, text) as process:
        assert process.wait() == 0
        assert process.out == ["main ended"] * 2
        assert sum('"stopped"' in line for line in process.err) == 2
        assert not any("overdue" in line for line in process.err)


def test_threads_of_user_code_do_not_keep_a_process_from_its_end(tmp_path: Path) -> None:
    text = """
target = {'connection_type': 'external_target', 'required_creation_arguments': {'target': dict}}
def work(to_send):
    try:
        while True:
            to_send('connection', 'target', {})
    except ServiceStopped:
        print('worker ended', flush=True)
def init_function(to_send):
    threading.Thread(target=work, args=(to_send,)).start()
module = module_of(init_function=init_function, connection_models={'out': {'target': target}})
Service(module).run_service()
"""
    with script(tmp_path, text) as process:
        assert process.wait() == 0
        assert process.out == ["worker ended"]


def test_a_service_made_before_a_fork_is_refused_in_the_child(tmp_path: Path) -> None:
    text = """
service = Service(module_of(main=print), console_loglevel=None)
other = Service(module_of(main=print), console_loglevel=None)
other.run_service()
if os.fork() == 0:
    try:
        service.run_service()
    except UsageError as error:
        print(error, flush=True)
    other.stop_service()
    with Service(module_of(main=print), console_loglevel=None) as own:
        print('child', other.is_running, own.is_running, flush=True)
    sys.exit(0)
os.wait()
print('parent', other.is_running, flush=True)
"""
    with script(tmp_path, text) as process:
        assert process.wait() == 0
        refusal, *rest = process.out
        assert "made before a fork" in refusal
        assert rest == ["child False True", "parent True"]
