"""The long run: services started and stopped again and again, and very many at once.

By default some dozens; ``SF_ACTORS_SOAK=1`` makes it a thousand each.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest
import zmq
from pykka import ActorRegistry

from sf_actors import Service
from sf_actors.testing import module_of
from tests.conftest import open_descriptors
from tests.support.bare_sockets import ask, bare
from tests.support.effort import effort
from tests.support.models import address_of
from tests.support.services import Background, echo_service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytestmark = pytest.mark.slow

IS_LONG = "SF_ACTORS_SOAK" in os.environ
CYCLES = 1_000 if IS_LONG else effort(40, brief=20)
SERVICES = 1_000 if IS_LONG else effort(60, brief=24)
CALLERS = 8

#: How much more than before may be in use: blocks of Python's allocator, and of C's in MB.
MAX_BLOCKS = 1_000
MAX_HEAP_MB = 1.0


class Heap(ctypes.Structure):
    """The `mallinfo2` of glibc."""

    _fields_: ClassVar[Any] = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


LIBC = ctypes.CDLL(None)
if hasattr(LIBC, "mallinfo2"):
    LIBC.mallinfo2.restype = Heap


class Held(NamedTuple):
    """What the process holds at a moment.

    Memory that is free again need not leave the process: Python gives an arena of 1 MiB back when
    the last of its blocks is free, glibc when it is asked to trim. What is in use are `blocks`,
    those of Python's allocator, and `heap_mb`, what libzmq and large objects have of glibc's.
    """

    threads: int
    descriptors: int
    actors: int
    blocks: int
    heap_mb: float
    resident_mb: float
    trimmed_mb: float

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        heap = LIBC.mallinfo2() if hasattr(LIBC, "mallinfo2") else Heap()
        resident_mb = cls._resident_mb()
        if hasattr(LIBC, "malloc_trim"):
            LIBC.malloc_trim(0)
        return cls(
            threading.active_count(),
            len(open_descriptors()),
            len(ActorRegistry.get_all()),
            sys.getallocatedblocks(),
            (heap.uordblks + heap.hblkhd) / 2**20,
            resident_mb,
            cls._resident_mb(),
        )

    @staticmethod
    def _resident_mb() -> float:
        with Path("/proc/self/status").open(encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def show(text: str, before: Held, after: Held) -> None:
    lines = [
        f"  {name}: {getattr(before, name):.6g} -> {getattr(after, name):.6g}"
        for name in Held._fields
    ]
    sys.stdout.write("\n".join([text, *lines, ""]))


def require_nothing_left(before: Held, after: Held) -> None:
    """Fail if more is in use than before but for what caches and tables may have grown by."""
    assert after[:3] == before[:3]
    assert after.blocks - before.blocks < MAX_BLOCKS
    assert after.heap_mb - before.heap_mb < MAX_HEAP_MB


N = {"required_arguments": {"n": int}}
ALL = {**N, "required_return_arguments": {"n": int}}


def everything(got: list[Any]) -> ModuleType:
    """Return a service with one of every kind of model, whose out sides feed its in sides."""

    def taking(name: str) -> dict[str, Any]:
        return {
            "required_creation_arguments": {"on_new": lambda args: got.append((name, args["n"]))}
        }

    def init_function(to_send: Any) -> None:
        got.append(to_send)

    return module_of(
        connection_models={
            "in": {
                "replyer": {
                    "connection_type": "replyer",
                    "required_creation_arguments": {"on_new": lambda args: args},
                    **ALL,
                },
                "subscriber": {"connection_type": "subscriber", **taking("subscriber"), **N},
            },
            "out": {
                "requester": {"connection_type": "requester", **ALL},
                "publisher": {
                    "connection_type": "publisher",
                    "optional_creation_arguments": {"wait_after_creation_s": 0.0},
                    **N,
                },
                "target": {
                    "connection_type": "external_target",
                    "required_creation_arguments": {"target": lambda n: {"n": n}},
                    **ALL,
                },
            },
        },
        state_models={
            "in": {
                "delta_in": {"state_type": "delta_update_in", **taking("delta"), **N},
                "full_in": {"state_type": "full_update_in", **taking("full"), **N},
            },
            "out": {
                "delta_out": {"state_type": "delta_update_out", **N},
                "full_out": {"state_type": "full_update_out", **N},
            },
        },
        init_function=init_function,
    )


def addresses_in(folder: Path) -> dict[str, Any]:
    at = {name: f"ipc://{folder}/{name}" for name in ("r", "p", "d", "s", "f")}
    return {
        "connections": {
            "in": {"replyer": at["r"], "subscriber": at["p"]},
            "out": {"requester": at["r"], "publisher": at["p"]},
        },
        "states": {
            "in": {
                "delta_in": {"subscriber": at["d"], "requester": at["s"]},
                "full_in": {"subscriber": at["f"]},
            },
            "out": {
                "delta_out": {"publisher": at["d"], "replyer": at["s"]},
                "full_out": {"publisher": at["f"]},
            },
        },
    }


def use(got: list[Any], number: int) -> None:
    """Have something pass through every model."""
    to_send = got[0]
    assert to_send("connection", "target", {"n": number}) == {"n": number}
    assert to_send("connection", "requester", {"n": number}) == {"n": number}
    to_send("state", "delta_out", {"n": number})
    to_send("state", "full_out", {"n": number})

    def all_came() -> bool:
        to_send("connection", "publisher", {"n": number})
        return {("subscriber", number), ("delta", number), ("full", number)} <= set(got[1:])

    until(all_came)


def test_one_service_can_be_started_and_stopped_again_and_again(tmp_path: Path) -> None:
    got: list[Any] = []
    service = Service(everything(got), addresses=addresses_in(tmp_path), console_loglevel=None)
    before: Held | None = None
    for cycle in range(CYCLES):
        got.clear()
        service.run_service()
        if cycle % 10 == 0:
            use(got, cycle)
        service.stop_service()
        assert service.failure is None
        if cycle == CYCLES // 4:
            before = Held.now()
    after = Held.now()
    assert before is not None
    show(f"{CYCLES} cycles", before, after)
    require_nothing_left(before, after)
    assert after.resident_mb - before.resident_mb < 5


@contextmanager
def as_many_descriptors_as_may_be() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def answers(service: Service, number: int) -> bool:
    with bare(zmq.REQ, connect=f"tcp://{address_of(service)}") as req:
        return bool(ask(req, {"args": {"n": number}})["return_args"] == {"n": number})


def test_very_many_services_at_once_all_answer() -> None:
    with echo_service() as first:
        # what is made once stays
        assert answers(first, 0)
    before = Held.now()
    with as_many_descriptors_as_may_be():
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 12 * SERVICES:
            pytest.skip("this user may not open so many descriptors")
        services = [echo_service() for _ in range(SERVICES)]
        try:
            for service in services:
                service.run_service()
            show(f"{SERVICES} services", before, Held.now())
            for number, service in enumerate(services):
                assert answers(service, number)
        finally:
            stops = [
                Background(lambda mine=services[turn::CALLERS]: [s.stop_service() for s in mine])
                for turn in range(CALLERS)
            ]
            assert [stop.join(300) for stop in stops] == [None] * CALLERS
        assert [service.failure for service in services] == [None] * SERVICES
        del services, service
    after = Held.now()
    show("after their stop", before, after)
    require_nothing_left(before, after)


def test_what_very_many_services_took_is_given_back() -> None:
    """A second time as many take no more memory than the first left."""
    grown: list[float] = []
    for _ in range(3):
        services = [echo_service() for _ in range(SERVICES // 4)]
        for service in services:
            service.run_service()
        for service in services:
            service.stop_service()
        del services, service
        grown.append(Held.now().resident_mb)
    assert grown[-1] - grown[0] < 10, grown
