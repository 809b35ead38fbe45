"""Services that send their own process a signal."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.services import looping, main_until_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def hook_name(number: signal.Signals) -> str:
    return "sigint_handler" if number is signal.SIGINT else "sigterm_handler"


def send(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def signalled(
    number: signal.Signals = signal.SIGINT,
    then: Callable[..., Any] = main_until_stopped,
    **definitions: Any,
) -> Any:
    """Return a service whose main sends a signal to its own process and then calls `then`."""

    def main(to_send: Callable[..., Any]) -> None:
        send(number)
        then(to_send)

    return looping(main, **definitions)


def spin() -> None:
    while True:
        pass
