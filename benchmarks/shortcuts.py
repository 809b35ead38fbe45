"""shortcuts: what each shortcut of the package saves, next to the plain way that it replaces.

Each way is called alone in one process, in thread CPU time, best of many groups. A shortcut whose
ratio is near 1 should be removed. Whenever a comment in the package states a cost, there is a row
here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings
from benchmarks.parts import best
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contender import Running
    from benchmarks.link import Link

    Ways = dict[str, Callable[[], object]]

#: Each shortcut and the plain way that it replaces.
PAIRS = {
    "check: a generated function": "check: field by field",
    "reply: decoded in one pass": "reply: in two passes",
    "request: decoded in one pass": "request: in two passes",
    "delta: decoded in one pass": "delta: in two passes",
    "an event of ours": "an event of threading",
    "an action: a Struct": "an action: a frozen dataclass",
    "a guard: flags": "a guard: locks",
    "a call: as it is": "a call: in a copied context",
    "nothing to read: zmq_poll": "nothing to read: the socket's events",
    "a frame sent: by the backend": "a frame sent: by the socket",
}

FIELDS = {"symbol": str, "price": float, "size": int}
TRADE = {"symbol": "BTC-EUR", "price": 30_000.5, "size": 5}


def measure(link: Link) -> None:
    """Measure every way as often as the harness asks."""
    ways = _checks() | _decoders() | _things() | _sockets()
    for command in link.commands():
        seconds = command["seconds"] / len(ways)
        link.answer(**{way: best(call, seconds) for way, call in ways.items()})


def _checks() -> Ways:
    from sf_actors.schema.check import fields_checker  # noqa: PLC0415
    from sf_actors.schema.schema import Schema  # noqa: PLC0415

    schema = Schema(FIELDS, {}, where="")
    in_full = fields_checker(schema.required, {})
    return {
        "check: a generated function": lambda: schema.checked(TRADE),
        "check: field by field": lambda: in_full(TRADE),
    }


def _decoders() -> Ways:
    from sf_actors.schema import one_pass  # noqa: PLC0415
    from sf_actors.schema.schema import Schema  # noqa: PLC0415
    from sf_actors.states.delta_in import LazyFields  # noqa: PLC0415
    from sf_actors.wire import envelope  # noqa: PLC0415

    schema = Schema(FIELDS, {}, where="")
    patch = Schema({"levels": {str: float}}, {}, where="").patch()
    reply = envelope.encode_reply(TRADE, "0x12")
    request = envelope.encode_request(TRADE, "0x12", 5)
    delta = envelope.encode_delta(5, False, {"levels": {"777": 0.5}}, "0x12", 2**60)
    of_reply, of_request = one_pass.reply_decoder(schema), one_pass.request_decoder(schema)
    of_delta = one_pass.delta_decoder(patch)
    read_reply: Any = envelope.decode_reply

    def take_delta(frame: bytes) -> object:
        """Do the same as a replica, which may keep the fields packed."""
        args = envelope.decode_delta(frame).args
        return LazyFields(patch.decoded, args.state)()

    return {
        "reply: decoded in one pass": lambda: of_reply(reply),
        "reply: in two passes": lambda: schema.decoded(read_reply(reply).return_args),
        "request: decoded in one pass": lambda: of_request(request),
        "request: in two passes": lambda: schema.decoded(envelope.decode_request(request).args),
        "delta: decoded in one pass": lambda: of_delta(delta),
        "delta: in two passes": lambda: take_delta(delta),
    }


@dataclass(frozen=True, slots=True)
class _Plain:
    """An action as a dataclass."""

    number: int
    fields: object
    value: object
    is_resync: bool


def _things() -> Ways:
    from sf_actors.replication.actions import Updated  # noqa: PLC0415
    from sf_actors.replication.values.persistent_map import EMPTY  # noqa: PLC0415
    from sf_actors.sync.event import LightEvent  # noqa: PLC0415
    from sf_actors.user_code.call_contexts import CallContexts  # noqa: PLC0415
    from sf_actors.user_code.interrupt_guard import InterruptGuard  # noqa: PLC0415

    def make(kind: type[LightEvent | threading.Event]) -> bool:
        event = kind()
        event.set()
        return event.is_set()

    contexts = CallContexts()
    contexts.seal()

    def nothing() -> None:
        pass

    guard, lock, inside = InterruptGuard(), threading.Lock(), set[int]()

    def with_flags() -> None:
        """Do the same as a `to_send`."""
        here = threading.get_ident()
        try:
            guard.guarded_threads.add(here)
            if guard.has_pending:
                guard.enter()
        finally:
            guard.guarded_threads.discard(here)
            if guard.has_pending:
                guard.leave(here)

    def with_locks() -> None:
        here = threading.get_ident()
        try:
            with lock:
                inside.add(here)
        finally:
            with lock:
                inside.discard(here)

    return {
        "an event of ours": lambda: make(LightEvent),
        "an event of threading": lambda: make(threading.Event),
        "an action: a Struct": lambda: Updated(5, TRADE, EMPTY, False),
        "an action: a frozen dataclass": lambda: _Plain(5, TRADE, EMPTY, False),
        "a guard: flags": with_flags,
        "a guard: locks": with_locks,
        "a call: as it is": nothing,
        "a call: in a copied context": lambda: contexts.new().run(nothing),
    }


def _sockets() -> Ways:
    from sf_actors.sockets.frames import NOBLOCK, send_frame  # noqa: PLC0415

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    silent, sending = context.socket(zmq.SUB), context.socket(zmq.PUB)
    for socket in (silent, sending):
        socket.bind_to_random_port("tcp://127.0.0.1")
    frame = msgspec.msgpack.encode(TRADE)
    asked, poll_in = [(silent, int(zmq.POLLIN))], int(zmq.POLLIN)
    return {
        "nothing to read: zmq_poll": lambda: zmq.zmq_poll(asked, 0),
        "nothing to read: the socket's events": lambda: silent.getsockopt(zmq.EVENTS) & poll_in,
        "a frame sent: by the backend": lambda: send_frame(sending, frame, NOBLOCK),
        "a frame sent: by the socket": lambda: sending.send(frame, zmq.NOBLOCK),
    }


def answer(settings: Settings) -> Answer:
    """Measure, and compare each shortcut with the plain way."""
    found = Answer("shortcuts", "what each shortcut saves")

    def burst(running: Running) -> dict[str, float]:
        return running.ask(seconds=settings.burst_s)

    contender = Contender("shortcuts", (side(measure),))
    rounds = interleaved([contender], burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for shortcut, plain in PAIRS.items():
        for way in (shortcut, plain):
            samples = rounds.samples("shortcuts", way)
            found.add(way, samples, "ns", is_ours=way == shortcut)
        found.compare(shortcut, plain)
    return found
