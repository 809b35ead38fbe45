"""A stranger on a bus that speaks in a publisher's name makes no replica show what is false."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import pytest
import zmq

from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare, packed
from tests.support.models import counters, into, subscriber
from tests.support.state_pair import QUICK, bus, following, leading, model
from tests.support.waiting import PATIENCE_S, stalls, until, until_at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bare_sockets import Socket
    from tests.support.state_pair import Follower, Leader

pytestmark = pytest.mark.slow

FAR = 2**63
FALSE = "false"
FIELDS = {"title": str}
HEARTBEAT_S: float = QUICK["heartbeat_s"]


class Scene:
    """An out-state and its replica with a bus between them, and a stranger on the bus."""

    def __init__(self, leader: Leader, follower: Follower, stranger: Socket) -> None:
        self.leader = leader
        self.follower = follower
        self.number = 0
        self._stranger = stranger

    def publish(self) -> None:
        """Update the state honestly."""
        self.number += 1
        self.leader.send(title=f"true {self.number}")

    def forge_head(self) -> None:
        """Say in the publisher's name that there are very many updates."""
        args = {"current_num": -2, "is_snapshot": False, "state": {}}
        self._forge({"args": args, "head": FAR})

    def forge_whole(self) -> None:
        """Say in the publisher's name what the whole value is, far ahead of it."""
        args = {"current_num": 10**6, "is_snapshot": True, "state": {"title": FALSE}}
        self._forge({"args": args})

    def _forge(self, message: dict[str, Any]) -> None:
        epoch = self.follower.status.epoch
        self._stranger.send(packed({**message, "workflow_id": None, "epoch": epoch}))

    def is_live(self) -> bool:
        return self.follower.status.phase is Phase.LIVE

    def is_in_step(self) -> bool:
        """Whether the replica is LIVE with the value of the publisher."""
        return self.is_live() and self.follower.value == {"title": f"true {self.number}"}

    def is_stranger_heard(self) -> bool:
        """Let the stranger say what cannot be read, which is counted."""
        self._stranger.send(b"\xc1")
        return bool(self.follower.stats["dropped"].get("undecodable"))

    def was_false(self) -> bool:
        """Whether the handler was ever called with what is false, or is shown it now."""
        seen = [self.follower.value]
        while True:
            try:
                update = self.follower.updates.get_nowait()
            except queue.Empty:
                return any(value.get("title") == FALSE for value in seen)
            seen += [update.args, update.value]


class Traffic:
    """Honest updates, a hundred a second, in a thread while the block runs."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._must_end = Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        while not self._must_end.wait(0.01):
            self._scene.publish()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._must_end.set()
        self._thread.join()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        hub = stack.enter_context(bus())
        requests = "127.0.0.1:0"
        leader = stack.enter_context(
            leading(
                model("delta_update_out", FIELDS, is_x_pub=True),
                addresses={"publisher": hub.xsub, "replyer": requests},
            )
        )
        leader.send(title="true 0")
        follower = stack.enter_context(
            following(
                model("delta_update_in", FIELDS, is_x_sub=True),
                {"subscriber": hub.xpub, "requester": leader.addresses["replyer"]},
            )
        )
        stranger = stack.enter_context(bare(zmq.PUB, connect=f"tcp://{hub.xsub}"))
        made = Scene(leader, follower, stranger)
        assert until_at_most(PATIENCE_S, made.is_in_step)
        until(made.is_stranger_heard, "the stranger is heard")
        # the phases that led here
        while not follower.phases.empty():
            follower.phases.get()
        yield made


FORGERIES = {"a head": Scene.forge_head, "a whole value": Scene.forge_whole}


def require_soon(scene: Scene, condition: Callable[[], bool]) -> None:
    """Fail unless a condition holds within three heartbeats of a machine that is not busy."""
    began = monotonic()
    with stalls() as stalled:
        found = until_at_most(PATIENCE_S, condition)
        took_s = monotonic() - began
    assert found, scene.follower.status
    assert took_s < 3 * HEARTBEAT_S + stalled.total_s, scene.follower.status


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_replica_is_live_with_the_true_value_soon_after_a_forgery(
    scene: Scene, forgery: str
) -> None:
    with Traffic(scene):
        FORGERIES[forgery](scene)
        scene.follower.wait_for_phase(Phase.SYNCING)
        require_soon(scene, scene.is_live)
    assert until_at_most(PATIENCE_S, scene.is_in_step), scene.follower.status
    assert not scene.was_false()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_replica_is_live_at_the_end_of_many_forgeries(scene: Scene, forgery: str) -> None:
    pause, end = Event(), monotonic() + 2
    with Traffic(scene):
        while monotonic() < end:
            FORGERIES[forgery](scene)
            pause.wait(0.1)
    require_soon(scene, scene.is_in_step)
    assert not scene.was_false()


def test_a_replica_stays_live_beside_heads_that_were_proved_false(scene: Scene) -> None:
    pause, end, phases = Event(), monotonic() + 2, set()
    scene.forge_head()
    with Traffic(scene):
        assert until_at_most(10 * HEARTBEAT_S, scene.is_live)
        while monotonic() < end:
            scene.forge_head()
            pause.wait(0.1)
            phases.add(scene.follower.status.phase)
    assert Phase.LIVE in phases


def test_a_forged_number_does_not_poison_what_a_subscriber_missed() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with ExitStack() as stack:
        hub = stack.enter_context(bus())
        models = {"in": {"told": subscriber(into(got), {"n": int}, is_x_sub=True)}}
        served = stack.enter_context(
            running(
                module_of(connection_models=models),
                addresses={"connections": {"in": {"told": hub.xpub}}},
                console_loglevel=None,
            )
        )
        publisher = stack.enter_context(bare(zmq.PUB, connect=f"tcp://{hub.xsub}"))

        def publish(number: int) -> None:
            publisher.send(packed({"args": {"n": 1}, "epoch": 5, "number": number}))

        def is_heard() -> bool:
            publish(0)
            return not got.empty()

        until(is_heard, "it is heard")
        received = counters(served, "told")["received"]
        for number in (1, FAR, 2, 3):
            publish(number)
        until(lambda: counters(served, "told")["received"] >= received + 4, "all are heard")
        assert counters(served, "told")["missed"] < 100
        missed = counters(served, "told")["missed"]
        publish(6)
        until(lambda: counters(served, "told")["missed"] == missed + 2, "two are missed")
