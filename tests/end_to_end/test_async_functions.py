"""Coroutine functions of a service: they run in its event loop, and count as any user function."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import DefinitionError, Service
from sf_actors.log import WORKFLOW_ID
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.models import address_of, at, publisher, service, subscriber
from tests.support.services import (
    ECHO_ADDRESSES,
    ask,
    client_of,
    echo_service,
    replyers,
    replying,
)
from tests.support.state_pair import leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

Args = dict[str, Any]


async def echo(args: Args) -> Args:
    """Hand the number back, later."""
    await asyncio.sleep(0)
    return {"n": args["n"]}


def errors(capsys: pytest.CaptureFixture[str]) -> list[Args]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["level"] == "error"]


# each kind of function


def test_an_async_replyer_answers() -> None:
    with running(replying(echo), addresses=ECHO_ADDRESSES, console_loglevel=None) as served:
        assert ask(address_of(served), 7)["return_args"] == {"n": 7}


def test_an_async_subscriber_gets_each_message_in_order() -> None:
    got: Queue[int] = Queue()

    async def on_message(args: Args) -> None:
        await asyncio.sleep(0.001 if args["n"] % 2 else 0)
        got.put(args["n"])

    def init(to_send: Callable[..., Any]) -> None:
        # what is sent before the subscription is known is lost
        until(lambda: to_send("news", {"n": -1}) or not got.empty(), "the subscription")
        for n in range(20):
            to_send("news", {"n": n})

    fields, where = {"n": int}, "inproc://async-news"
    listener = service(inbound={"news": subscriber(on_message, fields, is_binder=True)})
    teller = service(
        outbound={"news": publisher(fields, is_x_pub=True)},
        init_function=init,
    )
    with (
        running(listener, addresses=at({"news": where}), console_loglevel=None),
        running(teller, addresses=at(None, {"news": where}), console_loglevel=None),
    ):
        while (first := got.get(timeout=PATIENCE_S)) < 0:
            continue
        assert [first, *(got.get(timeout=PATIENCE_S) for _ in range(19))] == list(range(20))


def test_an_async_handler_of_a_state_gets_its_update_and_an_async_on_status_the_phase() -> None:
    got: Queue[Any] = Queue()
    phases: Queue[Phase] = Queue()

    async def on_update(args: Args, update: Any, states: Any) -> None:
        await asyncio.sleep(0)
        got.put((args, update.number, states["book"]["n"]))

    async def on_status(status: Any) -> None:
        await asyncio.sleep(0)
        phases.put(status.phase)

    declared = {"n": int}
    with leading(model("delta_update_out", declared)) as leader:
        leader.send(n=1)
        followed = model("delta_update_in", declared)
        followed["optional_creation_arguments"] |= {"on_update": on_update, "on_status": on_status}
        module = module_of(state_models={"in": {"book": followed}})
        with running(
            module,
            addresses={"states": {"in": {"book": towards(leader.addresses)}}},
            console_loglevel=None,
        ):
            assert got.get(timeout=PATIENCE_S) == ({"n": 1}, 0, 1)
            assert phases.get(timeout=PATIENCE_S) is Phase.LIVE
            leader.send(n=2)
            assert got.get(timeout=PATIENCE_S) == ({"n": 2}, 1, 2)


def test_an_async_timer_is_called() -> None:
    got: Queue[Any] = Queue()

    async def on_tick(args: Args) -> None:
        await asyncio.sleep(0)
        got.put(args)

    timer = {
        "connection_type": "timer",
        "required_creation_arguments": {"on_tick": on_tick, "every_s": 60, "at_start": True},
    }
    with running(service(inbound={"tick": timer}), console_loglevel=None):
        assert got.get(timeout=PATIENCE_S) == {"missed": 0}


def test_async_setup_hooks_init_and_main_run_in_one_loop_in_turn() -> None:
    ran: list[tuple[str, Any]] = []

    async def setup_config(config: Any) -> Any:
        await asyncio.sleep(0)
        ran.append(("setup", asyncio.get_running_loop()))
        return {"depth": 3}

    async def init_function() -> None:
        await asyncio.sleep(0)
        ran.append(("init", asyncio.get_running_loop()))

    async def main(config: Any) -> None:
        await asyncio.sleep(0)
        ran.append((f"main {config['depth']}", asyncio.get_running_loop()))

    module = module_of(
        config_model={"optional": {"depth": int}},
        setup_config=setup_config,
        init_function=init_function,
        main=main,
    )
    Service(module, console_loglevel=None).run_service_as_main_blocking()
    assert [name for name, _ in ran] == ["setup", "init", "main 3"]
    assert len({loop for _, loop in ran}) == 1


def test_an_async_target_and_a_generator_are_refused() -> None:
    async def generator(to_send: Any) -> Any:
        yield to_send

    async def target() -> None: ...

    external = {"connection_type": "external_target", "required_creation_arguments": {}}
    external["required_creation_arguments"] = {"target": target}
    for module in (module_of(main=generator), service(outbound={"it": external}, main=print)):
        with pytest.raises(DefinitionError, match="expected a plain function"):
            Service(module, console_loglevel=None).run_service_as_main()


def test_a_service_without_coroutine_functions_has_no_event_loop() -> None:
    with echo_service():
        assert "event loop" not in [thread.name for thread in threading.enumerate()]


# together


def test_no_plain_handler_runs_while_the_coroutine_of_another_waits() -> None:
    entered, inside = threading.Event(), []
    overlaps: list[int] = []

    async def slow(args: Args) -> Args:
        inside.append(1)
        entered.set()
        await asyncio.sleep(0.05)
        inside.pop()
        return args

    def quick(args: Args) -> Args:
        overlaps.append(len(inside))
        return args

    free = {"replyer": "127.0.0.1:0"}
    module = module_of(connection_models=replyers(slow=slow, quick=quick))
    addresses = {"connections": {"in": {"slow": free, "quick": free}}}
    with (
        running(module, addresses=addresses, console_loglevel=None) as served,
        client_of(address_of(served, "slow")) as one,
        client_of(address_of(served, "quick")) as other,
    ):
        one.send(n=1)
        assert entered.wait(PATIENCE_S)
        other.send(n=2)
        assert other.receive()["return_args"] == {"n": 2}
        assert one.receive()["return_args"] == {"n": 1}
    assert overlaps == [0]


def test_what_an_async_init_binds_is_there_in_each_call_and_what_a_call_binds_is_gone() -> None:
    variable = contextvars.ContextVar("variable", default=0)

    async def init_function() -> None:
        await asyncio.sleep(0)
        variable.set(10)

    async def handler(args: Args) -> Args:
        before = variable.get()
        variable.set(before + 1)
        return {"n": await asyncio.create_task(told())}

    async def told() -> int:
        assert WORKFLOW_ID.get() is not None
        return variable.get()

    module = replying(handler, init_function=init_function)
    with running(module, addresses=ECHO_ADDRESSES, console_loglevel=None) as served:
        assert [ask(address_of(served))["return_args"]["n"] for _ in range(2)] == [11, 11]


def test_what_an_async_handler_raises_is_told_with_the_frames_of_the_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def handler() -> None:
        await asyncio.sleep(0)
        raise ValueError("no such thing")

    with running(replying(handler), addresses=ECHO_ADDRESSES) as served:
        assert ask(address_of(served))["error"]["type"] == "ValueError"
    (line,) = errors(capsys)
    assert line["event"] == "handler failed"
    assert line["exception"].count("File ") == 1


def test_to_send_in_a_thread_of_asyncio_leaves_the_loop_free() -> None:
    done: Queue[Any] = Queue()

    async def main(to_send: Callable[..., Any]) -> None:
        ticked = asyncio.Event()
        task = asyncio.create_task(asyncio.to_thread(to_send, "it", {}))
        asyncio.get_running_loop().call_soon(ticked.set)
        await ticked.wait()
        may_answer.set()
        done.put(await task)

    may_answer = threading.Event()
    target = {
        "connection_type": "external_target",
        "required_creation_arguments": {"target": lambda: {"n": may_answer.wait(PATIENCE_S)}},
        "required_return_arguments": {"n": bool},
    }
    Service(
        service(outbound={"it": target}, main=main), console_loglevel=None
    ).run_service_as_main_blocking()
    assert done.get_nowait() == {"n": True}


# tasks


def test_a_task_goes_on_after_its_call_and_is_cancelled_once_the_stop_has_drained() -> None:
    told: Queue[Any] = Queue()
    ended: list[str] = []

    async def background() -> None:
        told.put("on")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def handler(args: Args) -> Args:
        asyncio.create_task(background())  # noqa: RUF006 - the loop keeps it
        return args

    with running(replying(handler), addresses=ECHO_ADDRESSES, console_loglevel=None) as served:
        ask(address_of(served))
        assert told.get(timeout=PATIENCE_S) == "on"
        assert ended == []
    assert ended == ["task"]


def test_a_task_that_fails_is_one_error_line_with_its_workflow_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = threading.Event()

    async def background() -> None:
        failed.set()
        raise ValueError("no such thing")

    async def handler(args: Args) -> Args:
        asyncio.create_task(background())  # noqa: RUF006 - the loop keeps it
        return args

    with running(replying(handler), addresses=ECHO_ADDRESSES) as served:
        asked = ask(address_of(served))
        assert failed.wait(PATIENCE_S)
    (line,) = errors(capsys)
    assert (line["event"], line["task"]) == ("task failed", "task background")
    assert (line["error"], line["workflow_id"]) == (
        "ValueError: no such thing",
        asked["workflow_id"],
    )


def test_a_task_that_exits_makes_the_service_fail_and_the_stop_still_cancels_the_others() -> None:
    ended: list[str] = []

    async def exits() -> None:
        raise SystemExit(3)

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def init_function() -> None:
        asyncio.create_task(waits())  # noqa: RUF006 - the loop keeps it
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(exits()))

    served = echo_service(init_function=init_function)
    served.run_service()
    assert served.wait(PATIENCE_S)
    assert "a task called sys.exit(3), which only main may" in str(served.failure)
    assert ended == ["waits"]
