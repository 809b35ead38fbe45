"""Runs services inside a test, without files and without sleeps."""

from __future__ import annotations

from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sf_actors.service import Service

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


def module_of(name: str = "service_under_test", **definitions: object) -> ModuleType:
    """Return a module that can be run as a service, made of the definitions of its file.

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
