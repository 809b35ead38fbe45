"""Context variables of a service: what its file binds stays, what a call binds goes with it."""

from __future__ import annotations

import decimal
import queue
import signal
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bind_contextvars, get_contextvars

from sf_actors.log import WORKFLOW_ID
from sf_actors.testing import module_of, running
from tests.log.lines import read
from tests.support.models import (
    ANY_PORT,
    Sender,
    address_of,
    at,
    publisher,
    replyer,
    service,
    subscriber,
)
from tests.support.services import ask
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

COLOUR: ContextVar[str] = ContextVar("colour", default="none")

#: A file that binds something and changes decimal's precision, as does its `init_function`.
FILE = """
import decimal
from structlog.contextvars import bind_contextvars, get_contextvars

bind_contextvars(region='north')
decimal.getcontext().rounding = decimal.ROUND_DOWN

def init_function():
    bind_contextvars(desk=7)
    decimal.getcontext().prec = 9

def bound():
    here = decimal.getcontext()
    return {**get_contextvars(), 'prec': here.prec, 'rounding': here.rounding}

def on_request():
    was = bound()
    bind_contextvars(user='alice')
    decimal.getcontext().prec = 3
    return {'bound': was}

connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'optional_arguments': {'n': int},
    'required_return_arguments': {'bound': dict},
}}}
"""
LEFT_BEHIND = {"region": "north", "desk": 7, "prec": 9, "rounding": decimal.ROUND_DOWN}


def test_each_call_begins_with_what_the_file_and_init_function_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "svc.py"
    path.write_text(FILE, "utf-8")

    with running(path, addresses=at({"echo": ANY_PORT})) as svc:
        # the first run in the router's thread, the later ones in that of the socket
        replies = [ask(address_of(svc))["return_args"]["bound"] for _ in range(30)]

    assert replies == [LEFT_BEHIND] * 30
    assert "region" not in get_contextvars()
    assert decimal.getcontext().prec != 9


def test_main_has_what_init_function_left_behind() -> None:
    seen: queue.Queue[Any] = queue.Queue()

    def init_function() -> None:
        bind_contextvars(desk=7)
        decimal.getcontext().prec = 9

    def main() -> None:
        seen.put((get_contextvars(), decimal.getcontext().prec))
        bind_contextvars(user="alice")

    with running(module_of(main=main, init_function=init_function), as_main=True) as svc:
        assert svc.wait(PATIENCE_S)

    assert seen.get(timeout=PATIENCE_S) == ({"desk": 7}, 9)


def test_a_subscribers_calls_of_one_batch_do_not_see_each_other() -> None:
    seen: queue.Queue[str] = queue.Queue()

    def on_message(args: dict[str, Any]) -> None:
        seen.put(COLOUR.get())
        COLOUR.set(f"colour {args['n']}")

    sender = Sender()

    def is_heard() -> bool:
        for n in range(5):
            sender.connection("out", {"n": n})
        return seen.qsize() >= 5

    one = service(
        inbound={"it": subscriber(on_message, {"n": int})},
        outbound={"out": publisher({"n": int})},
        init_function=sender,
    )
    with running(one, addresses=at({"it": "inproc://colours"}, {"out": "inproc://colours"})):
        until(is_heard, "five messages")
        colours = [seen.get(timeout=PATIENCE_S) for _ in range(5)]

    assert colours == ["none"] * 5


def test_handlers_and_status_functions_of_a_state_do_not_see_each_other() -> None:
    seen: queue.Queue[str] = queue.Queue()

    def note() -> None:
        seen.put(COLOUR.get())
        COLOUR.set("red")

    fields = {"required_arguments": {"n": int}}
    models = {
        "in": {
            "followed": {
                "state_type": "full_update",
                "required_creation_arguments": {"on_update": note, "on_status": note},
                **fields,
            }
        },
        "out": {"own": {"state_type": "full_update", **fields}},
    }
    address = "inproc://state"
    module = module_of(
        state_models=models, init_function=lambda to_send: to_send("state", "own", {"n": 1})
    )
    places = {"states": {"in": {"followed": address}, "out": {"own": address}}}
    with running(module, addresses=places):
        colours = [seen.get(timeout=PATIENCE_S) for _ in range(2)]

    assert colours == ["none"] * 2


def test_a_signal_hook_does_not_see_what_a_call_has_bound() -> None:
    seen: queue.Queue[str] = queue.Queue()

    def on_request() -> dict[str, Any]:
        COLOUR.set("red")
        return {}

    def sigterm_handler() -> None:
        seen.put(COLOUR.get())

    one = service(
        inbound={"echo": replyer(on_request, {"n": int})}, sigterm_handler=sigterm_handler
    )
    with running(one, addresses=at({"echo": ANY_PORT})) as svc:
        ask(address_of(svc))
        svc.stop_by_signal(signal.SIGTERM, None)

    assert seen.get(timeout=PATIENCE_S) == "none"


def test_the_line_of_a_handler_that_failed_shows_what_the_call_had_bound(tmp_path: Path) -> None:
    def on_request(args: dict[str, Any]) -> None:
        if args["n"] == 1:
            bind_contextvars(user="alice")
        raise ValueError("no")

    log = tmp_path / "svc.log"
    one = service(inbound={"echo": replyer(on_request, {"n": int})})
    with running(one, addresses=at({"echo": ANY_PORT}), log_path=log, console_loglevel=None) as svc:
        ask(address_of(svc), 1)
        ask(address_of(svc), 2)

    first, second = [line for line in read(log) if line["event"] == "handler failed"]
    assert first["user"] == "alice"
    assert "user" not in second
    assert "user" not in read(log)[-1]


def test_a_service_started_by_a_call_of_another_has_no_workflow_id() -> None:
    seen: queue.Queue[Any] = queue.Queue()

    def init_function() -> None:
        seen.put(WORKFLOW_ID.get())

    def on_request() -> dict[str, Any]:
        with running(module_of("inner", init_function=init_function)):
            seen.put(WORKFLOW_ID.get())
        return {}

    with running(
        service(inbound={"echo": replyer(on_request, {"n": int})}), addresses=at({"echo": ANY_PORT})
    ) as svc:
        ask(address_of(svc))

    assert seen.get(timeout=PATIENCE_S) is None
    assert seen.get(timeout=PATIENCE_S) is not None
