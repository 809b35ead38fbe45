"""A bad network: it stands between a publisher and its replicas, on both of their sockets."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import zmq

from sf_actors.wire.envelope import decode_delta
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    #: Says what happens to a message: its channel, its index there, its last frame.
    Judge = Callable[[str, int, bytes], str]

#: The faults that a seed chooses from, with how often in a hundred, by channel.
RATES = {
    "deltas": {"drop": 4, "duplicate": 4, "delay": 4, "reorder": 4, "truncate": 2},
    "requests": {"drop": 10, "duplicate": 5, "repeat later": 10, "delay": 10, "truncate": 5},
    "answers": {"drop": 10, "duplicate": 5, "repeat later": 10, "delay": 10, "truncate": 5},
}

#: All connections are cut after so many messages of the publisher.
CUT_EVERY = 150

LONGEST_DELAY_S = 0.3

Frames = list[bytes]


def seeded(seed: int) -> Judge:
    """Return a judge whose sentence depends on nothing but seed, channel and index."""

    def judge(channel: str, index: int, _frame: bytes) -> str:
        if channel == "deltas" and index % CUT_EVERY == CUT_EVERY - 1:
            return "cut"
        rates = RATES[channel]
        rng = random.Random(f"{seed} {channel} {index}")
        [fault] = rng.choices(["", *rates], [100 - sum(rates.values()), *rates.values()])
        return fault

    return judge


def telling_seed(messages: int) -> int:
    """Return a random seed for which each fault befalls a delta among so many messages.

    One in some thousands has none of the rarest for 400 of them.
    """
    faults = {*RATES["deltas"], "cut"}
    while True:
        seed = random.SystemRandom().randrange(2**32)
        judge = seeded(seed)
        if faults <= {judge("deltas", index, b"") for index in range(messages // 10, messages)}:
            return seed


def faultless(_channel: str, _index: int, _frame: bytes) -> str:
    """Let everything pass."""
    return ""


class Channel:
    """One direction of the traffic; what is held back comes later, in whatever order.

    :param send: takes what leaves
    """

    def __init__(self, name: str, send: Callable[[Frames], None]) -> None:
        self.name = name
        self.index = 0
        self._send = send
        self._overtaken: Frames | None = None
        self._delayed: list[tuple[float, Frames]] = []

    def carry(self, frames: Frames, fault: str) -> None:
        """Have a message leave as the fault wants it."""
        overtaken, self._overtaken = self._overtaken, None
        if fault == "reorder":
            self._overtaken = frames
        elif fault in {"delay", "repeat later"}:
            rng = random.Random(self.index)
            self._delayed.append((monotonic() + rng.uniform(0.1, 1) * LONGEST_DELAY_S, frames))
            if fault == "repeat later":
                self._send(frames)
        elif fault == "truncate":
            self._send([*frames[:-1], frames[-1][: len(frames[-1]) // 2]])
        elif fault not in {"drop", "cut"}:
            self._send(frames)
            if fault == "duplicate":
                self._send(frames)
        if overtaken is not None:
            self._send(overtaken)

    def release(self, now: float) -> float | None:
        """Have leave what was delayed for long enough; return when the next one is due."""
        for due, frames in sorted(self._delayed, key=lambda held: held[0]):
            if due <= now:
                self._send(frames)
        self._delayed = [held for held in self._delayed if held[0] > now]
        return min((due for due, _ in self._delayed), default=None)


class FaultProxy:
    """Carries subscriptions, deltas, requests and answers, each as its judge wants it.

    :param upstream: addresses of the publisher's sockets, by name
    :param judge: may be replaced while the proxy runs
    :ivar addresses: of an in-state's sockets
    :ivar counts: how often each fault befell each channel
    """

    def __init__(self, upstream: Mapping[str, str], judge: Judge) -> None:
        self.judge = judge
        self.counts: Counter[tuple[str, str]] = Counter()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._from_publisher = self._connected(zmq.XSUB, upstream["publisher"])
        self._to_replyer = self._connected(zmq.DEALER, upstream["replyer"])
        self._ports = {zmq.XPUB: 0, zmq.ROUTER: 0}
        self._to_replicas = self._bound(zmq.XPUB)
        self._from_replicas = self._bound(zmq.ROUTER)
        self.addresses = {
            "subscriber": f"127.0.0.1:{self._ports[zmq.XPUB]}",
            "requester": f"127.0.0.1:{self._ports[zmq.ROUTER]}",
        }
        self._channels = {
            "deltas": Channel("deltas", self._send_delta),
            "requests": Channel("requests", self._to_replyer.send_multipart),
            "answers": Channel("answers", self._send_answer),
        }
        self._heard = -1
        self._passed = threading.Condition()
        self._control = self._context.socket(zmq.PAIR)
        self._control.bind("inproc://control")
        self._thread = threading.Thread(target=self._run, name="fault proxy")
        self._thread.start()

    def wait_for(self, number: int) -> None:
        """Wait until a message that tells of an update, or of a later one, was carried or lost."""
        with self._passed:
            assert self._passed.wait_for(lambda: self._heard >= number, PATIENCE_S)

    def close(self) -> None:
        """End the thread and close all sockets."""
        self._control.send(b"")
        self._thread.join()
        self._context.destroy(linger=0)

    def _connected(self, kind: int, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.set_hwm(0)
        made.connect(address if "://" in address else f"tcp://{address}")
        return made

    def _bound(self, kind: int) -> zmq.Socket[bytes]:
        """Bind a socket, to the port that the one before it had."""
        made = self._context.socket(kind)
        made.set_hwm(0)
        made.linger = 0
        if kind == zmq.XPUB:
            made.setsockopt(zmq.XPUB_VERBOSE, 1)
        deadline, between_tries = monotonic() + PATIENCE_S, threading.Event()
        while True:
            try:
                made.bind(f"tcp://127.0.0.1:{self._ports[kind] or '*'}")
            except zmq.ZMQError:
                assert monotonic() < deadline, "the port did not become free"
                between_tries.wait(0.002)
            else:
                bound = made.getsockopt_string(zmq.LAST_ENDPOINT)
                self._ports[kind] = int(bound.rpartition(":")[2])
                return made

    def _run(self) -> None:
        stop = self._context.socket(zmq.PAIR)
        stop.connect("inproc://control")
        while True:
            due = [at for at in map(self._release, self._channels.values()) if at is not None]
            readable = self._wait(stop, min(due, default=None))
            if stop in readable:
                stop.close(0)
                return
            if self._to_replicas in readable:
                self._from_publisher.send_multipart(self._to_replicas.recv_multipart())
            for socket, name in (
                (self._from_publisher, "deltas"),
                (self._from_replicas, "requests"),
                (self._to_replyer, "answers"),
            ):
                if socket in readable and not socket.closed:  # a cut has closed it
                    self._carry(self._channels[name], socket.recv_multipart())

    def _wait(self, stop: zmq.Socket[bytes], due: float | None) -> set[zmq.Socket[bytes]]:
        poller = zmq.Poller()
        for socket in (
            stop,
            self._to_replicas,
            self._from_publisher,
            self._from_replicas,
            self._to_replyer,
        ):
            poller.register(socket, zmq.POLLIN)
        timeout_ms = None if due is None else max(0.0, due - monotonic()) * 1000 + 1
        return {socket for socket, _ in poller.poll(timeout_ms)}

    def _release(self, channel: Channel) -> float | None:
        return channel.release(monotonic())

    def _carry(self, channel: Channel, frames: Frames) -> None:
        fault = self.judge(channel.name, channel.index, frames[-1])
        self.counts[channel.name, fault] += 1
        channel.carry(frames, fault)
        if fault == "cut":
            self._cut()
        channel.index += 1
        if channel.name == "deltas":
            message = decode_delta(frames[-1])
            with self._passed:
                self._heard = max(self._heard, message.args.current_num, message.head or -1)
                self._passed.notify_all()

    def _send_delta(self, frames: Frames) -> None:
        self._to_replicas.send_multipart(frames)

    def _send_answer(self, frames: Frames) -> None:
        self._from_replicas.send_multipart(frames)

    def _cut(self) -> None:
        """Break all connections to replicas; what was on its way is lost."""
        self._to_replicas.close(0)
        self._from_replicas.close(0)
        self._to_replicas = self._bound(zmq.XPUB)
        self._from_replicas = self._bound(zmq.ROUTER)


@contextmanager
def between(upstream: Mapping[str, str], judge: Judge = faultless) -> Iterator[FaultProxy]:
    """Put a bad network before a publisher."""
    proxy = FaultProxy(upstream, judge)
    try:
        yield proxy
    finally:
        proxy.close()
