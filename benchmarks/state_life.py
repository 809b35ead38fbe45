"""state-life: a replicated state with slow handlers, with a store, and with many joiners.

It measures the age of the value that `main` reads, with a handler of 25 ms and 200 updates per
second from another process; the changes of one key per second, with and without a `store`; the
start of a service with a filled store, and the longest pause of another thread during it; and how
long ten replicas take to join such a large value at once. There are no peers: the others replicate
no state, or do not store it.
"""

from __future__ import annotations

import threading
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Self

from benchmarks import ours
from benchmarks.contender import Contender, ContenderFailed, side
from benchmarks.delta import followed
from benchmarks.figures import Answer, Settings, Target
from benchmarks.ports import free_port
from benchmarks.rounds import interleaved, one_by_one

if TYPE_CHECKING:
    from benchmarks.contender import Running
    from benchmarks.link import Link

SLOW, STORED, BARE = "slow handler", "with a store", "without"
START, JOINERS = "start from a store", "ten joiners"
KEYS, QUICKLY_KEYS = 1_000_000, 30_000
REPLICAS = 10
#: How long all may take to join, and how often they report that they have not, in seconds.
PATIENCE_S = 240.0
LOOK_S = 20.0


def tick(link: Link) -> None:
    """Publish the time repeatedly."""
    publisher, replyer = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    link.ready(publisher=publisher, replyer=replyer)
    addresses = {"states": {"out": {"book": {"publisher": publisher, "replyer": replyer}}}}
    ours.service("ticking_out", addresses).run_service_as_main_blocking()


def look(_link: Link, publisher: str, replyer: str) -> None:
    """Follow the time with a slow handler."""
    addresses = {"states": {"in": {"book": {"subscriber": publisher, "requester": replyer}}}}
    ours.service("slow_in", addresses, allow_inbound=True).run_service_as_main_blocking()


def start_from_store(link: Link, keys: int) -> None:
    """Start a service from a store of `keys` keys, which an earlier service has filled."""
    with holding(keys, store="book.db"):
        pass
    for _ in link.commands():
        with Pauses() as pauses:
            began = perf_counter()
            with holding(0, store="book.db") as service:
                taken_s = perf_counter() - began
                if len(service.states.out["book"]["levels"]) != keys:
                    raise ContenderFailed("the value did not come back")
        link.answer(start_ms=taken_s * 1e3, pause_ms=pauses.longest_s * 1e3)


def hold(link: Link, keys: int) -> None:
    """Publish a whole value."""
    with holding(keys) as service:
        found = service.addresses["states"]["out"]["book"]
        link.ready(publisher=found["publisher"], replyer=found["replyer"])
        service.wait()


def join(link: Link, publisher: str, replyer: str) -> None:
    """Have ten replicas join at once."""
    from sf_actors.testing import module_of  # noqa: PLC0415 - as in `ours`

    levels = {"state_type": "delta_update_in", "required_arguments": {"levels": {str: float}}}
    models = {"in": {f"book_{number}": levels for number in range(REPLICAS)}}
    where = {"subscriber": publisher, "requester": replyer}
    addresses = {"states": {"in": dict.fromkeys(models["in"], where)}}
    commands = link.commands()
    next(commands)
    began = perf_counter()
    with ours_of(module_of("joiners", state_models=models), addresses) as service:
        while not service.states.wait(timeout_s=LOOK_S):
            # a sign of life for the harness while it takes long
            link.answer(join_s=None)
            next(commands)
        link.answer(join_s=perf_counter() - began)


def holding(keys: int, **creation: Any) -> Any:
    """Return a service that publishes a value of `keys` keys, if not 0; run by `with`."""
    from sf_actors.testing import module_of  # noqa: PLC0415 - as in `ours`

    def fill(to_send: Any) -> None:
        if keys:
            levels = {str(key): float(key) for key in range(keys)}
            to_send("state", "book", {"is_snapshot": True, "levels": levels})

    book = {
        "state_type": "delta_update_out",
        "optional_creation_arguments": creation,
        "required_arguments": {"levels": {str: float}},
    }
    module = module_of("book_holder", state_models={"out": {"book": book}}, init_function=fill)
    sockets = {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}
    return ours_of(module, {"states": {"out": {"book": sockets}}})


def ours_of(module: Any, addresses: dict[str, Any]) -> Any:
    """Return a service of a module, with default settings."""
    from sf_actors import Service  # noqa: PLC0415 - as in `ours`

    return Service(module, addresses=addresses)


class Pauses:
    """Measures the longest time that a thread does not run, in a `with` block."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        last = perf_counter()
        while not self._is_over.is_set():
            sleep(0.001)
            now = perf_counter()
            self.longest_s = max(self.longest_s, now - last)
            last = now


def measured(running: Running) -> dict[str, float]:
    """Measure one turn of the parts that take long.

    :raises ContenderFailed: not all have joined
    """
    until = perf_counter() + PATIENCE_S
    while perf_counter() < until:
        found = running.ask()
        if found.get("join_s", 0.0) is not None:
            return found
    raise ContenderFailed("not all have joined")


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    keys = QUICKLY_KEYS if settings.is_quick else KEYS
    found = Answer("state-life", "a state whose handlers are slow, that is kept, that many join")
    changing = [
        Contender(name, (side(ours.publish_deltas, store=store), side(ours.follow)))
        for name, store in ((BARE, None), (STORED, "book.db"))
    ]

    def burst(running: Running) -> dict[str, float]:
        if running.name == SLOW:
            return running.ask(seconds=settings.burst_s)
        return followed(running, settings.burst_s)

    slow = Contender(SLOW, (side(tick), side(look)))
    rounds = interleaved([slow, *changing], burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for figure in ("p50_ms", "p99_ms"):
        name = f"{SLOW}: age of the value, {figure[:3]}"
        found.add(name, rounds.samples(SLOW, figure), "ms", is_ours=True)
    for name in (BARE, STORED):
        samples = rounds.samples(name, "per_s")
        found.add(f"{name}, changes", samples, "/s", less_is_better=False, is_ours=True)
    found.compare(f"{STORED}, changes", f"{BARE}, changes", Target(0.7, 0.9))
    large = [
        Contender(START, (side(start_from_store, keys=keys),)),
        Contender(JOINERS, (side(hold, keys=keys), side(join))),
    ]
    once = one_by_one(large, measured, rounds=1)
    found.left_out |= once.left_out
    for figure, text in (("start_ms", "ready"), ("pause_ms", "longest pause")):
        name = f"{START}, {keys:,} keys: {text}"
        found.add(name, once.samples(START, figure), "ms", is_ours=True)
    joined = once.samples(JOINERS, "join_s")
    found.add(f"{JOINERS}, {keys:,} keys: all in step", joined, "s", is_ours=True)
    found.left_out["all peers"] = "they replicate no state, or keep none"
    return found
