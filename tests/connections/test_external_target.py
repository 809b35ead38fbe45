"""External targets: a callable outside the package, its arguments and its result checked."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import InvalidArguments, RequestTimeout, ServiceStopped
from sf_actors.log import WORKFLOW_ID
from sf_actors.testing import running
from tests.support.models import Sender, counters, external, service
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sf_actors import Service

N = {"n": int}


class Calling(Sender):
    service: Service

    def call(self, **args: Any) -> Any:
        return self.connection("it", args)

    @property
    def counters(self) -> dict[str, Any]:
        return counters(self.service, "it", "out")


@contextmanager
def calling(
    target: Callable[..., Any] | str,
    arguments: Any = N,
    returns: Any = N,
    definitions: dict[str, Any] | None = None,
    **creation: Any,
) -> Iterator[Calling]:
    calling = Calling()
    out = {"it": external(target, arguments, returns, **creation)}
    module = service("s", outbound=out, init_function=calling.__call__, **(definitions or {}))
    with running(module) as calling.service:
        yield calling


def double(n: int) -> dict[str, int]:
    return {"n": 2 * n}


class Shop:
    class Till:
        @staticmethod
        def triple(n: int) -> dict[str, int]:
            return {"n": 3 * n}


def test_a_target_is_called_by_keyword_and_its_result_returned() -> None:
    with calling(double) as ours:
        assert ours.call(n=4) == {"n": 8}


def test_a_target_may_be_the_text_of_one() -> None:
    with calling("tests.connections.test_external_target.Shop.Till.triple") as ours:
        assert ours.call(n=4) == {"n": 12}


def test_a_target_may_be_a_name_in_the_service_file() -> None:
    with calling("quadruple", definitions={"quadruple": lambda n: {"n": 4 * n}}) as ours:
        assert ours.call(n=4) == {"n": 16}


def test_a_target_runs_in_the_callers_thread_without_a_deadline() -> None:
    with calling(lambda n: {"n": threading.get_ident()}) as ours:
        assert ours.call(n=1) == {"n": threading.get_ident()}


def test_a_target_with_a_deadline_runs_in_a_thread_of_its_own() -> None:
    with calling(lambda n: {"n": threading.get_ident()}, timeout_s=PATIENCE_S) as ours:
        assert ours.call(n=1) != {"n": threading.get_ident()}


@pytest.mark.parametrize("timeout_s", [None, PATIENCE_S])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), RequestTimeout("theirs")])
def test_what_a_target_raises_reaches_the_caller_as_it_is(
    error: BaseException, timeout_s: float | None
) -> None:
    def target(n: int) -> None:
        raise error

    with calling(target, timeout_s=timeout_s) as ours:
        with pytest.raises(type(error)) as caught:
            ours.call(n=1)

        assert caught.value is error
        numbers = ours.counters
        assert (numbers["failed"], numbers["timeouts"], numbers["handled"]) == (1, 0, 0)


@pytest.mark.parametrize("result", [None, {}, {"n": "1"}, {"n": 1, "m": 1}, [1], 5])
def test_a_result_that_fails_the_model_is_an_error(result: Any) -> None:
    with calling(lambda n: result) as ours:
        with pytest.raises(InvalidArguments, match="return_arguments"):
            ours.call(n=1)
        assert ours.counters["failed"] == 1


def test_none_is_no_fields_where_none_are_required() -> None:
    with calling(lambda n: None, returns=None) as ours:
        assert ours.call(n=1) == {}


def test_arguments_that_fail_the_model_are_not_called_with() -> None:
    with calling(double) as ours:
        with pytest.raises(InvalidArguments, match="'n': expected int, got str"):
            ours.call(n="1")
        assert ours.counters["sent"] == 0


def test_a_target_that_takes_too_long_runs_on_and_the_next_call_works() -> None:
    may_go, ended = threading.Event(), threading.Event()

    def target(n: int) -> dict[str, int]:
        if n == 0:
            assert may_go.wait(PATIENCE_S)
            ended.set()
        return {"n": n}

    with calling(target, timeout_s=1.0) as ours:
        with pytest.raises(RequestTimeout, match="not returned within"):
            ours.call(n=0)
        assert ours.call(n=1) == {"n": 1}
        assert ours.counters == {
            "sent": 2,
            "handled": 1,
            "failed": 0,
            "timeouts": 1,
            "last_error": ours.counters["last_error"],
        }
        assert "RequestTimeout" in ours.counters["last_error"]
        may_go.set()
        assert ended.wait(PATIENCE_S)


def test_a_stop_waits_for_no_target_with_a_deadline() -> None:
    entered, may_go = threading.Event(), threading.Event()

    def target(n: int) -> dict[str, int]:
        entered.set()
        assert may_go.wait(PATIENCE_S)
        return {"n": n}

    outcome: list[BaseException] = []

    def call(ours: Calling) -> None:
        try:
            ours.call(n=1)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            outcome.append(error)

    with calling(target, timeout_s=600.0) as ours:
        caller = threading.Thread(target=call, args=(ours,))
        caller.start()
        assert entered.wait(PATIENCE_S)
        ours.service.stop_service()
        caller.join(PATIENCE_S)
        [error] = outcome
        assert isinstance(error, ServiceStopped)
        may_go.set()


@pytest.mark.parametrize("kind", ["external_target", "external_request"])
@pytest.mark.parametrize("key", ["target", "func_to_call"])
def test_either_name_of_the_type_and_of_its_target_works(kind: str, key: str) -> None:
    calling = Calling()
    model = {
        "connection_type": kind,
        "required_creation_arguments": {key: double},
        "required_arguments": N,
        "required_return_arguments": N,
    }
    with running(service("s", outbound={"it": model}, init_function=calling.__call__)):
        assert calling.call(n=4) == {"n": 8}


def test_the_workflow_id_is_there_in_a_target_with_a_deadline() -> None:
    ids: list[object] = []

    def target(n: int) -> dict[str, int]:
        ids.append(WORKFLOW_ID.get())
        return {"n": n}

    with calling(target, timeout_s=PATIENCE_S) as ours:
        token = WORKFLOW_ID.set("w-7")
        try:
            ours.call(n=1)
        finally:
            WORKFLOW_ID.reset(token)

    assert ids == ["w-7"]


def test_calls_from_many_threads_are_all_counted() -> None:
    with calling(double) as ours:

        def call() -> None:
            for n in range(500):
                assert ours.call(n=n) == {"n": 2 * n}

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert (ours.counters["sent"], ours.counters["handled"]) == (4_000, 4_000)
