"""Fixtures for the tests of logs: scopes that are closed again, and the console."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.log import LogScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

from tests.log.lines import Console


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


@pytest.fixture
def open_scope() -> Iterator[Callable[..., LogScope]]:
    with ExitStack() as stack:

        def open_one(name: str = "svc", **options: Any) -> LogScope:
            scope = LogScope(name, **options)
            stack.callback(scope.close)
            return scope

        yield open_one


@pytest.fixture
def svc(open_scope: Callable[..., LogScope]) -> Iterator[LogScope]:
    scope = open_scope("svc", console_level="DEBUG")
    with scope.entered():
        yield scope
