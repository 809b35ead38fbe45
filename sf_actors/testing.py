"""Runs services inside a test, without files and without sleeps."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sf_actors.log.scope import LISTENERS
from sf_actors.log.standard_library import LineRecord
from sf_actors.service import Service

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


def module_of(name: str = "service_under_test", **definitions: object) -> ModuleType:
    """Return a module that can be run as a service, made from the definitions of a service file.

    Its functions may be closures of the test, for example to put what they receive into a queue
    that the test waits on.

    :param definitions: `connection_models`, `state_models`, `main`, `init_function`, …
    """
    module = ModuleType(name)
    for key, value in definitions.items():
        setattr(module, key, value)
    return module


@contextmanager
def running(
    source: str | os.PathLike[str] | ModuleType,
    *,
    as_main: bool = False,
    **arguments: Any,
) -> Iterator[Service]:
    """Run a service in the background while the block runs, and stop it afterwards.

    :param source: a path or a module, as for `Service`
    :param as_main: run `main` in a thread of its own
    :param arguments: further arguments of `Service`
    :raises BaseException: what kept the service from being READY
    """
    service = Service(source, **arguments)
    if as_main:
        service.run_service_as_main()
    else:
        service.run_service()
    try:
        yield service
    finally:
        service.stop_service()


@contextmanager
def lines_in_logging() -> Iterator[None]:
    """Hand each line to the standard library's `logging` too, where pytest's caplog sees it.

    The logger has the service's name, the message is the event, and the record's `line` is the
    whole line, a dict. Lines below the service's own levels are left out. Any thread.
    """
    LISTENERS.append(_hand_on)
    try:
        yield
    finally:
        LISTENERS.remove(_hand_on)


def _hand_on(level: int, line: dict[str, Any]) -> None:
    name = line["service"] or "sf_actors"
    record = LineRecord(name, level, "", 0, "%s", (line["event"],), None)
    record.exc_text = line.get("exception")
    record.line = line
    logging.getLogger(name).handle(record)
