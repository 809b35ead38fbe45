"""Reads the services of a fleet in the tests' own process; CI takes a process for each.

tests/fleet/test_reading.py reads them in processes in any case.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.fleet import describing, reading
from tests.support.effort import IS_FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors.fleet.findings import Finding
    from sf_actors.fleet.fleet import Fleet, FleetService
    from sf_actors.fleet.outlines import ServiceOutline

#: The working directory is that of all threads.
_LOCK = Lock()


def _read(
    fleet: Fleet, question: bytes, service: FleetService, *_of_a_process: object
) -> ServiceOutline | Finding:
    """Stand in for `reading._read`: what it tells goes through JSON as well."""
    _, addresses = pickle.loads(question)
    told: dict[str, Any]
    with _LOCK, chdir(fleet.folder), Path(os.devnull).open("w") as nowhere:
        before = set(sys.modules)
        try:
            with redirect_stdout(nowhere):
                told = describing.described(service, addresses)
        except BaseException as error:  # noqa: BLE001 - as in a process of its own
            told = describing._failure(error, str(service.file))
        for name in set(sys.modules) - before:
            if fleet.folder in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                # another service may have one of the same name
                del sys.modules[name]
    told = json.loads(json.dumps(told, default=str))
    if "failure" in told:
        return reading._finding(service, told["failure"], at=told["at"])
    return reading._outline_of(service.name, told)


@pytest.fixture(autouse=True)
def services_are_read_here() -> Iterator[None]:
    """Read services in this process, but for those with an environment of their own."""
    if IS_FULL:
        yield
        return
    in_process = reading._read

    def read(
        fleet: Fleet, question: bytes, service: FleetService, *others: Any
    ) -> ServiceOutline | Finding:
        one = in_process if service.env else _read
        return one(fleet, question, service, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_read", read)
        yield
