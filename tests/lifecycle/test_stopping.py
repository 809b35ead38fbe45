"""`stopping`: user code is told that the stop has begun, and may finish what it has in hand."""

from __future__ import annotations

import functools
import queue
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import ServiceStopped
from sf_actors.errors import DefinitionError
from sf_actors.testing import module_of, running
from tests.support.bare_sockets import ask, bare
from tests.support.models import ANY_PORT, at, endpoint_of, external, publisher, replyer
from tests.support.processes import Process
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


N = {"n": int}


def served_by(handler: Any, **definitions: Any) -> Any:
    return module_of(connection_models={"in": {"it": replyer(handler, N)}}, **definitions)


def test_every_function_that_gets_to_send_may_ask_for_it() -> None:

    asked: list[Any] = []

    def init_function(stopping: Any) -> None:
        asked.append(stopping)

    def handle(args: Any, stopping: Any) -> None:
        asked.append(stopping)

    module = served_by(handle, init_function=init_function)
    with running(module, addresses=at({"it": ANY_PORT})) as service:
        with bare(zmq.REQ, connect=endpoint_of(service, "it")) as asking:
            ask(asking, {"args": {"n": 1}})
        assert len(asked) == 2
        assert [stopping.is_set() for stopping in asked] == [False, False]
        assert not asked[0].wait(0)
    assert [stopping.wait(0) for stopping in asked] == [True, True]


def test_each_run_has_its_own() -> None:
    asked: list[Any] = []
    module = module_of(init_function=lambda stopping: asked.append(stopping))  # noqa: PLW0108
    for _ in range(2):
        with running(module):
            assert not asked[-1].is_set()
    assert asked[0] is not asked[1]


def test_a_main_that_waits_for_it_is_woken_by_the_stop_and_sends_what_it_has_in_hand() -> None:
    sent: queue.Queue[Any] = queue.Queue()
    is_waiting = threading.Event()

    def main(to_send: Any, stopping: Any) -> None:
        is_waiting.set()
        assert stopping.wait(PATIENCE_S)
        to_send("kept", {"n": 1})
        sent.put("done")

    def keep(n: int) -> None:
        sent.put(n)

    module = module_of(connection_models={"out": {"kept": external(keep, N)}}, main=main)
    with running(module, as_main=True) as service:
        assert is_waiting.wait(PATIENCE_S)
        service.stop_service()
        assert service.failure is None
    assert [sent.get(timeout=PATIENCE_S) for _ in range(2)] == [1, "done"]


def test_a_main_without_it_may_send_no_more_once_the_stop_begins() -> None:
    ended: queue.Queue[Any] = queue.Queue()
    may_send = threading.Event()

    def main(to_send: Any) -> None:
        assert may_send.wait(PATIENCE_S)
        try:
            to_send("news", {"n": 1})
        except ServiceStopped as error:
            ended.put(error)
            raise

    module = module_of(connection_models={"out": {"news": publisher(N)}}, main=main)
    with running(module, as_main=True, addresses=at({}, {"news": ANY_PORT})) as service:
        stopping = threading.Thread(target=service.stop_service)
        service._run.begin_stop()  # type: ignore[union-attr]
        stopping.start()
        may_send.set()
        assert isinstance(ended.get(timeout=PATIENCE_S), ServiceStopped)
        stopping.join(PATIENCE_S)


def test_a_main_with_it_that_goes_on_and_on_is_stopped_within_the_deadline(
    interrupted_soon: float,
) -> None:
    ended: queue.Queue[Any] = queue.Queue()
    count = 0

    def main(to_send: Any, stopping: Any) -> None:
        nonlocal count
        try:
            while True:
                to_send("news", {"n": 1})
                count += stopping.is_set()
        except ServiceStopped as error:
            ended.put(error)
            raise

    module = module_of(connection_models={"out": {"news": publisher(N)}}, main=main)
    addresses = at({}, {"news": ANY_PORT})
    arguments: dict[str, Any] = {"addresses": addresses, "stop_timeout_s": interrupted_soon}
    with running(module, as_main=True, **arguments) as service:
        service.stop_service()
        assert service.failure is None
    assert isinstance(ended.get(timeout=PATIENCE_S), ServiceStopped)
    assert count > 0


@pytest.mark.parametrize(
    "handler",
    [
        lambda a, b, c, d: None,
        lambda *args: None,
        lambda args, **named: (_ for _ in named if "stopping" in named),
    ],
)
def test_it_is_offered_by_its_name_alone(handler: Any) -> None:

    got: list[Any] = []

    @functools.wraps(handler)
    def handle(*args: Any, **named: Any) -> None:
        got.extend([*args, *named.values()])

    with (
        running(served_by(handle), addresses=at({"it": ANY_PORT})) as service,
        bare(zmq.REQ, connect=endpoint_of(service, "it")) as asking,
    ):
        assert "return_args" in ask(asking, {"args": {"n": 1}})
    assert len(got) == 4
    assert not any(hasattr(value, "is_set") for value in got)


def test_what_a_partial_has_bound_stays() -> None:
    asked: list[Any] = []
    init = functools.partial(lambda stopping: asked.extend([stopping]), stopping="mine")
    with running(module_of(init_function=init)):
        assert asked == ["mine"]


def test_a_function_that_cannot_send_is_not_offered_it() -> None:
    def setup_config(config: Any, stopping: Any) -> None:
        pass

    with (
        pytest.raises(DefinitionError, match="setup_config: expected a function of"),
        running(module_of(setup_config=setup_config)),
    ):
        pass


@pytest.mark.slow
def test_it_is_set_before_the_hook_of_the_signal(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(
        """
def sigterm_handler(signum, frame, stopping):
    print('set' if stopping.is_set() else 'not set', flush=True)
def main(stopping):
    print('begun', flush=True)
    while not stopping.wait(10):
        pass
    print('finished', flush=True)
"""
    )
    with Process("-s", "svc.py", "-m", cwd=tmp_path) as process:
        process.wait_for_line("begun")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0
    # both are printed at the same time
    assert "set" in "".join(process.out)
    assert "not set" not in "".join(process.out)
