"""A replica together with all that it asked for and said, and a clock to turn by hand."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from sf_actors.errors import InvalidMessage
from sf_actors.replication.actions import Action, Ask, PhaseChanged, Updated
from sf_actors.replication.replica import Replica
from sf_actors.replication.values.frozen import View
from tests.replication.shapes import SHAPE

if TYPE_CHECKING:
    from sf_actors.replication.status import Phase, Status

OLD, NEW, OTHER = 111, 222, 333
WHOLE: dict[str, Any] = {"price": 0, "book": {}}


class Follower:
    """A replica together with all that it has asked for."""

    def __init__(self, buffer_size: int = 100, *, reports_all: bool = True) -> None:
        self.now = 0.0
        self.replica = Replica(
            SHAPE,
            now=0.0,
            heartbeat_s=1.0,
            stale_after_s=3.0,
            rng=random.Random(7),
            reports_all=reports_all,
            buffer_size=buffer_size,
        )
        self.asked: list[Ask] = []
        self.updates: list[Updated] = []
        self.phases: list[tuple[Phase, str]] = []

    def _take(self, actions: Any) -> list[Action]:
        for action in actions:
            match action:
                case Ask():
                    self.asked.append(action)
                case Updated():
                    self.updates.append(action)
                case PhaseChanged():
                    self.phases.append((action.status.phase, action.reason))
        return list(actions)

    def delta(
        self,
        number: int,
        fields: Any = None,
        *,
        epoch: int | None = OLD,
        count: int | None = None,
    ) -> list[Action]:
        fields = {"price": number} if fields is None else fields
        return self._take(self.replica.on_delta(self.now, epoch, number, False, fields, count))

    def whole_delta(
        self, number: int, fields: Any, *, epoch: int | None = OLD, count: int | None = None
    ) -> list[Action]:
        return self._take(self.replica.on_delta(self.now, epoch, number, True, fields, count))

    def heartbeat(
        self, head: int, digest: bytes | None = None, *, epoch: int = OLD, **named: Any
    ) -> list[Action]:
        return self._take(self.replica.on_heartbeat(self.now, epoch, head, digest, **named))

    def snapshot(
        self,
        number: int,
        fields: Any = None,
        *,
        epoch: int | None = OLD,
        ask: int = -1,
        **named: Any,
    ) -> list[Action]:
        fields = {**WHOLE, "price": number} if fields is None else fields
        token = self.asked[ask].token
        return self._take(self.replica.on_snapshot(self.now, token, epoch, number, fields, **named))

    def fill(self, *numbers: int, epoch: int = OLD, **named: Any) -> list[Action]:
        deltas = [(number, False, {"price": number}, None) for number in numbers]
        token = self.asked[-1].token
        return self._take(self.replica.on_fill(self.now, token, epoch, deltas, **named))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.replica.next_deadline) is not None and due <= end:
            self.now = due
            self._take(self.replica.on_tick(self.now))
        self.now = end
        self._take(self.replica.on_tick(self.now))

    @property
    def status(self) -> Status:
        return self.replica.status(self.now)

    @property
    def numbers(self) -> list[int]:
        return [update.number for update in self.updates]

    @property
    def price(self) -> Any:
        return View(self.replica.value)["price"]


def damaged() -> Any:
    raise InvalidMessage("field 'price': expected int")
