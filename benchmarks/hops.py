"""hops: where the time of an echo is spent.

First come bare sockets that approach the package step by step: a REP server, a ROUTER server, both
ends waiting in poll before they read. The rest up to the row of the package is its own cost.

Then come stamps: both services run with some functions of the package wrapped to note when they are
entered and left, and the figures are the medians of the steps between. A stamp costs about a third
of a microsecond, so the steps add up to a little more than an unstamped echo. If a function does
not exist any more, it is named, and the two steps around it become one.
"""

from __future__ import annotations

import os
import select
import statistics
from bisect import bisect_right
from importlib import import_module
from itertools import pairwise
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from benchmarks import ours, rpc
from benchmarks.contender import Contender, ContenderFailed, Running, side
from benchmarks.figures import Answer, Settings
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved
from benchmarks.timing import latencies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.link import Link

RAW, ROUTER, POLLED = "raw REQ/REP", "raw REQ/ROUTER", "raw REQ/ROUTER, polled"
OURS, STAMPED, INPROC = "sf_actors", "sf_actors, stamped", "sf_actors inproc"

#: Stamps of one echo in order: side, module, function, "in" or "out", and the step that ends there.
STAMPS = (
    ("ask", "user_code.to_send", "ToSend.__call__", "in", ""),
    ("ask", "connections.exchange", "Exchange.ask", "in", "client: check and encode"),
    ("ask", "connections.exchange", "Exchange._lead", "in", "client: take a socket and send"),
    (
        "serve",
        "actors.socket_actor",
        "SocketActor.on_readable",
        "in",
        "way there: wire and wake-up",
    ),
    ("serve", "connections.replyer", "Replyer._take", "in", "server: receive"),
    ("serve", "user_code.interruptible", "UserCode.run", "in", "server: decode, take the lock"),
    ("serve", "user_code.interruptible", "UserCode.run", "out", "server: the handler"),
    ("serve", "connections.replyer", "Replyer._answer", "in", "server: check and encode the reply"),
    ("serve", "connections.replyer", "Replyer._answer", "out", "server: send"),
    ("ask", "connections.exchange", "Exchange._lead", "out", "way back: wire and wake-up"),
    (
        "ask",
        "connections.exchange",
        "Exchange.ask",
        "out",
        "client: receive, give the socket back",
    ),
    ("ask", "user_code.to_send", "ToSend.__call__", "out", "client: decode"),
)


def serve_router(link: Link, *, polls: bool) -> None:
    """Answer echoes by a bare ROUTER socket, waiting for it by poll first or not."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(rpc.Echo).decode
    socket = raw_socket(zmq.ROUTER)
    link.ready(port=socket.bind_to_random_port("tcp://127.0.0.1"))
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    poll.register(os.eventfd(0), select.POLLIN)
    while True:
        if polls and not int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            poll.poll()
            continue
        *address, frame = socket.recv_multipart()
        socket.send_multipart([*address, encode(decode(frame))])


def ask_polled(link: Link, port: int) -> None:
    """Call by a bare REQ socket, waiting by poll for it and for a descriptor."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(rpc.Echo).decode
    socket = raw_socket(zmq.REQ)
    socket.connect(f"tcp://127.0.0.1:{port}")
    both: list[tuple[Any, int]] = [(socket, zmq.POLLIN), (os.eventfd(0), zmq.POLLIN)]

    def call() -> rpc.Echo:
        socket.send(encode(rpc.Echo(1)))
        zmq.zmq_poll(both, 5_000)
        return decode(socket.recv())

    for command in link.commands():
        link.answer(**latencies(call, command["seconds"]))


class Recorder:
    """Notes when functions of the package are entered and left, on one side of the echo."""

    def __init__(self, which: str) -> None:
        self.events: list[tuple[str, int]] = []
        self.missing: list[str] = []
        places = {(module, name) for at, module, name, _, _ in STAMPS if at == which}
        for module, name in sorted(places):
            self._wrap(module, name)

    def _wrap(self, module: str, name: str) -> None:
        class_name, _, function_name = name.partition(".")
        try:
            owner = getattr(import_module(f"sf_actors.{module}"), class_name)
            function: Callable[..., Any] = owner.__dict__[function_name]
        except (ImportError, AttributeError, KeyError):
            self.missing.append(name)
            return
        note, entered, left = self.events.append, f"{name} in", f"{name} out"

        def stamped(*args: Any, **kwargs: Any) -> Any:
            note((entered, perf_counter_ns()))
            try:
                return function(*args, **kwargs)
            finally:
                note((left, perf_counter_ns()))

        setattr(owner, function_name, stamped)

    def taken(self) -> list[tuple[str, int]]:
        """Return the stamps since the last call."""
        noted = list(self.events)
        self.events.clear()
        return noted


def serve_stamped(link: Link) -> None:
    """Serve with stamps, and send them when asked."""
    recorder = Recorder("serve")
    with ours.echo_service() as service:
        link.ready(port=ours.bound_port(service))
        for _ in link.commands():
            link.answer(events=recorder.taken(), missing=recorder.missing)


def ask_stamped(link: Link, port: int) -> None:
    """Call with stamps, which are sent along with the service's answers to the harness."""
    recorder = Recorder("ask")
    tell = link.answer
    link.answer = lambda **figures: tell(  # type: ignore[method-assign]
        **figures, events=recorder.taken(), missing=recorder.missing
    )
    ours.ask(link, port)


def steps(
    asked: Sequence[tuple[str, int]], served: Sequence[tuple[str, int]], missing: set[str]
) -> dict[str, float]:
    """Return the median of each step in microseconds.

    :param asked, served: the stamps of both sides, in order
    :param missing: functions without stamps
    """
    known = [stamp for stamp in STAMPS if stamp[2] not in missing]
    calls, echoes = _rounds_of("ask", asked, known), _rounds_of("serve", served, known)
    begins = [min(call.values()) for call in calls]
    taken: dict[str, list[int]] = {}
    names = [(f"{name} {edge}", step) for _, _, name, edge, step in known]
    for echo in echoes:
        # match by a moment well within it: its ends may lie just outside of the call
        within = sorted(echo.values())[len(echo) // 2]
        index = bisect_right(begins, within) - 1
        if index < 0:
            continue
        call = calls[index] | echo
        found = [call.get(event) for event, _ in names]
        # the sender may be delayed before its stamp while the other side is already working:
        # then the steps between them have no meaningful length
        if None in found or found != sorted(found):
            continue
        for (before, _), (event, step) in pairwise(names):
            taken.setdefault(step, []).append(call[event] - call[before])
    return {step: statistics.median(found) / 1e3 for step, found in taken.items()}


def _rounds_of(
    which: str, noted: Sequence[tuple[str, int]], known: Sequence[tuple[str, ...]]
) -> list[dict[str, int]]:
    """Return the stamps of one side for each echo; a stamp out of order begins the next echo.

    The server looks at its socket once more after its last message, which makes a round without
    other stamps.
    """
    order = [f"{name} {edge}" for side_, _, name, edge, _ in known if side_ == which]
    rounds: list[dict[str, int]] = []
    last = len(order)
    for event, at in noted:
        if event not in order:
            continue
        position = order.index(event)
        if position <= last:
            rounds.append({})
        rounds[-1][event] = at
        last = position
    return rounds


def answer(settings: Settings) -> Answer:
    """Measure."""
    found = Answer("hops", "where the time of an echo goes")
    contenders = [
        Contender(RAW, (side(rpc.serve), side(rpc.ask))),
        Contender(ROUTER, (side(serve_router, polls=False), side(rpc.ask))),
        Contender(POLLED, (side(serve_router, polls=True), side(ask_polled))),
        Contender(INPROC, (side(ours.serve_and_ask),)),
        Contender(OURS, (side(ours.serve), side(ours.ask))),
        Contender(STAMPED, (side(serve_stamped), side(ask_stamped))),
    ]
    missing: set[str] = set()

    def burst(running: Running) -> dict[str, float]:
        asked = running.ask(seconds=settings.burst_s)
        if running.name != STAMPED:
            return asked
        served = running.ask(0)
        missing.update(asked["missing"], served["missing"])
        figures = steps(asked["events"], served["events"], missing)
        if not figures:
            raise ContenderFailed("no echo had all its stamps")
        return {"p50_us": asked["p50_us"], **figures}

    rounds = interleaved(contenders, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for one in contenders:
        is_ours = one.name in (OURS, STAMPED, INPROC)
        found.add(one.name, rounds.samples(one.name, "p50_us"), "µs", is_ours=is_ours)
    for name in (ROUTER, POLLED, INPROC, OURS):
        found.compare(name, RAW)
    for *_, step in STAMPS:
        if any(sample is not None for sample in rounds.samples(STAMPED, step)):
            found.add(step, rounds.samples(STAMPED, step), "µs", is_ours=True)
    if missing:
        found.notes.append(f"not found, so not stamped: {', '.join(sorted(missing))}")
    return found
