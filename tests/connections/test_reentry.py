"""Sends from within the same send, as by a signal handler or a finalizer in the middle of it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import UsageError
from sf_actors.connections.call_rules import CallRules
from sf_actors.connections.exchange import Exchange
from sf_actors.connections.requester import ThreadExchange
from sf_actors.sockets.publishing_socket import PublishingSocket
from sf_actors.testing import module_of, running
from tests.support.services import replyers
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

N = {"n": int}
PORT = "127.0.0.1:0"
MODULE = module_of(
    connection_models={
        **replyers(echo=lambda args: args),
        "out": {
            "news": {"connection_type": "publisher", "required_arguments": N},
            "ask": {
                "connection_type": "requester",
                "required_arguments": N,
                "required_return_arguments": N,
            },
        },
    },
    state_models={
        "out": {
            "book": {"state_type": "delta_update", "required_arguments": N},
            "whole": {"state_type": "full_update", "required_arguments": N},
        }
    },
)
ADDRESSES = {
    "connections": {
        "in": {"echo": "inproc://reentry"},
        "out": {"news": PORT, "ask": "inproc://reentry"},
    },
    "states": {"out": {"book": {"publisher": PORT, "replyer": PORT}, "whole": PORT}},
}


def within(function: Any, act: Callable[[], object]) -> Callable[[FrameType, str, Any], None]:
    """Return a profile function that acts once, at the first call of a function."""
    code = [function.__code__]

    def profile(frame: FrameType, event: str, _arg: Any) -> None:
        if event == "call" and frame.f_code in code:
            code.clear()
            act()

    return profile


@pytest.mark.parametrize(
    ("name", "in_the_middle"),
    [
        ("news", PublishingSocket.send),
        ("book", PublishingSocket.send),
        ("whole", PublishingSocket.send),
        ("ask", ThreadExchange.__init__),
        ("ask", CallRules.choose),
        ("ask", Exchange._lead),
    ],
)
def test_a_send_within_the_same_send_is_refused_and_the_outer_one_goes_on(
    name: str, in_the_middle: Any
) -> None:
    errors: list[UsageError] = []
    sent: list[Any] = []
    with running(MODULE, addresses=ADDRESSES) as service:

        def again() -> None:
            try:
                service.to_send(name, {"n": 2})
            except UsageError as error:
                errors.append(error)

        def send() -> None:
            sys.setprofile(within(in_the_middle, again))
            try:
                sent.append(service.to_send(name, {"n": 1}))
            finally:
                sys.setprofile(None)
            sent.append(service.to_send(name, {"n": 3}))

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()

    (error,) = errors
    assert "to_send was called by a signal handler or a finalizer" in str(error)
    outcomes = {"news": [None, None], "ask": [{"n": 1}, {"n": 3}]}
    assert sent == outcomes.get(name, [0, 1])
