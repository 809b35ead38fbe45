"""Out-states and in-states run as services of this process, and a bus between them."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from sf_actors.actors.inbox import WaitFailed
from sf_actors.testing import module_of, running
from sf_actors.wire.envelope import encode_delta
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sf_actors import Service
    from sf_actors.replication.status import Phase, Status

#: A short heartbeat, for quick tests.
QUICK: dict[str, Any] = {"heartbeat_s": 0.1}

LEVELS = {Decimal: Decimal}
BOOK = {"title": str, "bids": LEVELS}


class Update(NamedTuple):
    """One call of an in-state's handler."""

    args: dict[str, Any]
    value: Any


class Leader:
    """An out-state named `book` that the test updates."""

    def __init__(self, service: Service, to_send: Callable[..., Any]) -> None:
        self.service = service
        self.to_send = to_send

    def send(self, **fields: Any) -> Any:
        """Update the state; returns the number of the update."""
        return self.to_send("state", "book", fields)

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses that the sockets are bound to, by socket name."""
        bound: dict[str, str] = self.service.addresses["states"]["out"]["book"]
        return bound

    @property
    def actor(self) -> Any:
        """The actor behind the state, for tests that look inside."""
        return self.service._run.state.actors["states/out/book"]

    @property
    def stats(self) -> dict[str, Any]:
        """The counters of the state."""
        counters: dict[str, Any] = self.service.stats()["states"]["out"]["book"]
        return counters


class Follower:
    """An in-state named `book`, whose updates and phases the test can wait for."""

    def __init__(self) -> None:
        self.service: Service
        self.states: Any = None
        self.updates: queue.Queue[Update] = queue.Queue()
        self.phases: queue.Queue[Status] = queue.Queue()

    @property
    def value(self) -> Any:
        """The value that `states` shows now."""
        return self.states["book"]

    @property
    def status(self) -> Status:
        """The status that `states` shows now."""
        status: Status = self.states.status("book")
        return status

    @property
    def actor(self) -> Any:
        """The actor behind the state, for tests that look inside."""
        return self.service._run.state.actors["states/in/book"]

    @property
    def stats(self) -> dict[str, Any]:
        """The counters of the state."""
        counters: dict[str, Any] = self.service.stats()["states"]["in"]["book"]
        return counters

    def next_update(self) -> Update:
        """Wait for the next call of the handler, and return its arguments."""
        return self.updates.get(timeout=PATIENCE_S)

    def wait_for(self, value: Mapping[str, Any]) -> list[Update]:
        """Wait until the state has a value; returns the updates until then."""
        seen: list[Update] = []
        deadline = monotonic() + PATIENCE_S
        while not seen or seen[-1].value != value:
            try:
                seen.append(self.updates.get(timeout=max(0.0, deadline - monotonic())))
            except queue.Empty:
                raise AssertionError(f"expected {value!r}, got {seen!r}, {self.status}") from None
        return seen

    def wait_for_phase(self, phase: Phase) -> Status:
        """Wait until a phase is entered; returns the status at that moment."""
        deadline = monotonic() + PATIENCE_S
        while True:
            try:
                status = self.phases.get(timeout=max(0.0, deadline - monotonic()))
            except queue.Empty:
                raise AssertionError(f"expected {phase}, got {self.status}") from None
            if status.phase is phase:
                return status


def model(
    type_: str,
    required: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
    *,
    numbered: bool = False,
    **creation: Any,
) -> dict[str, Any]:
    """Return a state's model with quick heartbeats."""
    made: dict[str, Any] = {
        "state_type": type_,
        "optional_creation_arguments": {**QUICK, **creation},
        "required_arguments": dict(
            BOOK if required is None and optional is None else required or {}
        ),
        "optional_arguments": dict(optional or {}),
    }
    if numbered:
        made["required_state_arguments"] = {"current_num": int, "is_snapshot": bool}
    return made


@contextmanager
def leading(
    out_model: Mapping[str, Any], *, addresses: Mapping[str, str] | str | None = None
) -> Iterator[Leader]:
    """Run a service with an out-state, by default on free ports of 127.0.0.1."""
    got: list[Callable[..., Any]] = []
    if addresses is None or isinstance(addresses, str):
        names = ["publisher"]
        if "delta" in out_model["state_type"]:
            names.append("replyer")
        addresses = dict.fromkeys(names, addresses or "127.0.0.1:0")

    def init_function(to_send: Callable[..., Any]) -> None:
        got.append(to_send)

    module = module_of(
        "leader",
        state_models={"out": {"book": dict(out_model)}},
        init_function=init_function,
    )
    with running(
        module, addresses={"states": {"out": {"book": dict(addresses)}}}, console_loglevel=None
    ) as service:
        yield Leader(service, got[0])


def towards(bound: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of an in-state that follows an out-state bound there."""
    names = {"publisher": "subscriber", "replyer": "requester"}
    return {names[name]: address for name, address in bound.items()}


@contextmanager
def following(
    in_model: Mapping[str, Any],
    addresses: Mapping[str, str],
    *,
    has_handler: bool = True,
    handler: Callable[..., Any] | None = None,
    **definitions: Any,
) -> Iterator[Follower]:
    """Run a service with an in-state.

    :param addresses: of the in-state's sockets
    :param has_handler: give the model a handler, whose calls are put into `updates`
    :param handler: called with args and states before that
    """
    follower = Follower()

    def on_update(args: Any, states: Any) -> None:
        if handler is not None:
            handler(args, states)
        follower.updates.put(Update(args, states["book"]))

    def init_function(to_send: Any, states: Any, config: Any) -> None:
        follower.states = states

    creation = {**in_model["optional_creation_arguments"], "on_status": follower.phases.put}
    if has_handler:
        creation["on_update"] = on_update
    given = {**in_model, "optional_creation_arguments": creation}
    module = module_of(
        "follower",
        **{"state_models": {"in": {"book": given}}, "init_function": init_function} | definitions,
    )
    with running(
        module, addresses={"states": {"in": {"book": dict(addresses)}}}, console_loglevel=None
    ) as service:
        follower.service = service
        yield follower


class Bus(NamedTuple):
    """The addresses of a bus.

    :ivar xsub: for publishers
    :ivar xpub: for subscribers
    """

    xsub: str
    xpub: str


@contextmanager
def bus() -> Iterator[Bus]:
    """Run a bus, with `zmq.proxy` in a thread of its own."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    inward, outward = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    ports = [end.bind_to_random_port("tcp://127.0.0.1") for end in (inward, outward)]

    def forward() -> None:
        try:
            zmq.proxy(inward, outward)
        except zmq.ContextTerminated:
            inward.close(0)
            outward.close(0)

    thread = threading.Thread(target=forward, name="bus")
    thread.start()
    try:
        yield Bus(*(f"127.0.0.1:{port}" for port in ports))
    finally:
        context.term()
        thread.join()


def kill(actor: Any) -> None:
    """Make an actor die from an error."""
    actor.tell(WaitFailed(RuntimeError("killed by the test")))


def lose(leader: Leader, **fields: Any) -> None:
    """Update a delta state as if the message were lost on its way."""
    publication = leader.actor.publication
    log = publication.log
    with publication.out.lock:
        update = publication.fields.checked(fields)
        packed = encode_delta(log.number + 1, update.is_snapshot, update.content, None, log.epoch)
        log.publish(update.typed, is_snapshot=update.is_snapshot, frame=packed)
