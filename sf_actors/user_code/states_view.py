"""What user code sees of the states that a service follows, and of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from sf_actors.errors import InvalidArguments, ServiceStopped, UsageError
from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View
from sf_actors.sync.event import LightEvent
from sf_actors.sync.forks import FORKS, of_parent
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map


class Changes:
    """Wakes the threads that wait for a state; any thread."""

    __slots__ = ("_is_over", "_waiting", "forks")

    def __init__(self) -> None:
        self._is_over = False
        #: to tell the child of a fork by
        self.forks = FORKS.count
        self._waiting: list[LightEvent] = []

    def notify(self) -> None:
        """Say that a value or status may have changed; HOT, nobody waits mostly."""
        for event in self._waiting:
            event.set()

    def end(self) -> None:
        """Say that the service stops: nobody is to wait any more."""
        self._is_over = True
        self.notify()

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until it is so; return False if that did not come in time.

        :raises ServiceStopped: the service stops
        """
        until = None if timeout_s is None else monotonic() + timeout_s
        changed = LightEvent()
        self._waiting = [*self._waiting, changed]
        try:
            while True:
                changed.clear()
                if self._is_over:
                    raise ServiceStopped("the service stops: no state is waited for any more")
                if is_so():
                    return True
                left_s = None if until is None else until - monotonic()
                if left_s is not None and left_s <= 0:
                    return False
                changed.wait(left_s)
        finally:
            self._waiting = [event for event in self._waiting if event is not changed]


class Slot(Protocol):
    """The place of one state."""

    @property
    def value(self) -> Map[str, Any]:
        """The value now; any thread."""

    @property
    def status(self) -> Callable[[], Status]:
        """Makes the status of now; any thread."""


class StateSlot:
    """The place where an in-state leaves its value for readers in other threads.

    The actor replaces the value; it never changes one, so that a reader needs no lock.

    :param value: a persistent map
    :param status: makes the current status
    """

    __slots__ = ("status", "value")

    def __init__(self, value: Map[str, Any], status: Callable[[], Status]) -> None:
        self.value = value
        self.status = status


class States(Mapping[str, Mapping[str, Any]]):
    """The values of in-states and out-states, live: each look shows the current one; any thread.

    Where both sides have a name it is the in-state; `out` has the out-states alone.
    `states.status(name)` tells how far a replica can be trusted.
    """

    __slots__ = ("_cells", "_changes", "_out")

    def __init__(
        self,
        cells: dict[str, StateSlot],
        out: dict[str, Slot] | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._cells = cells
        self._out: dict[str, Slot] = {} if out is None else out
        self._changes = Changes() if changes is None else changes

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the current value of a state, `{}` before the first.

        :raises UsageError: in the child of a fork, as by all else here
        """
        return View(self._slot(name).value)

    def __iter__(self) -> Iterator[str]:
        self._require_ours()
        yield from self._cells
        yield from (name for name in self._out if name not in self._cells)

    def __len__(self) -> int:
        self._require_ours()
        return len(self._cells.keys() | self._out.keys())

    def __repr__(self) -> str:
        return repr({name: self[name] for name in self})

    @property
    def out(self) -> States:
        """The out-states alone."""
        return States({}, self._out, self._changes)

    @property
    def has_inbound(self) -> bool:
        """Whether the service follows a state, so that values are pinned for each call."""
        return bool(self._cells)

    @property
    def changes(self) -> Changes:
        """What wakes those who wait for a state."""
        return self._changes

    def status(self, name: str) -> Status:
        """Return how a state stands now.

        :raises InvalidArguments: there is no state of that name
        """
        return self._known(name).status()

    def wait(self, *names: str, number: int | None = None, timeout_s: float | None = None) -> bool:
        """Wait until states are LIVE; blocks, in any thread but a handler's.

        :param names: of states; none: all in-states
        :param number: wait until this update, or a later one of the present epoch, is in the value
            of the one state named
        :param timeout_s: in seconds; None waits until the service stops
        :returns: False if that did not come in time
        :raises InvalidArguments: there is no state of that name, or `number` without one name
        :raises ServiceStopped: the service stops
        """
        if number is not None and len(names) != 1:
            raise InvalidArguments(
                f"states.wait: expected the name of one state with number={number}, "
                f"got {len(names)} names"
            )
        self._require_ours()
        slots = [self._known(name) for name in names] if names else list(self._cells.values())

        def is_so() -> bool:
            return all(_is_there(slot.status(), number) for slot in slots)

        return self._changes.wait_until(is_so, timeout_s)

    def cell(self, name: str, value: Map[str, Any], status: Callable[[], Status]) -> StateSlot:
        """Return the slot of an in-state; an existing slot keeps its value."""
        cell = self._cells.get(name)
        if cell is None:
            cell = self._cells[name] = StateSlot(value, status)
        cell.status = status
        return cell

    def show_own(self, name: str, slot: Slot) -> None:
        """Show an out-state."""
        self._out[name] = slot

    def pinned(self, instead: Mapping[str, Any] | None = None) -> States:
        """Return the values of this moment, which later updates do not change.

        :param instead: values to show for some of the names, as persistent maps
        """
        if not self._cells and not self._out:
            return self
        return PinnedStates(self._cells, self._out, instead or {}, self._changes)

    def _require_ours(self) -> None:
        if self._changes.forks != FORKS.count:
            raise of_parent("states")

    def _slot(self, name: str) -> Slot:
        if self._changes.forks != FORKS.count:
            raise of_parent("states")
        cell = self._cells.get(name)
        return self._out[name] if cell is None else cell

    def _known(self, name: str) -> Slot:
        try:
            return self._slot(name)
        except (KeyError, TypeError):
            raise InvalidArguments(f"no state is named {name!r}{nearest(name, self)}") from None


class PinnedStates(States):
    """The values of the in-states at one moment; `status`, and out-states, stay live."""

    __slots__ = ("_values",)

    def __init__(
        self,
        cells: dict[str, StateSlot],
        out: dict[str, Slot],
        instead: Mapping[str, Any],
        changes: Changes,
    ) -> None:
        super().__init__(cells, out, changes)
        self._values = {name: instead.get(name, cell.value) for name, cell in cells.items()}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the value that an in-state had at that moment, or of an out-state now."""
        if self._changes.forks != FORKS.count:
            raise of_parent("states")
        value = self._values.get(name)
        return super().__getitem__(name) if value is None else View(value)

    def wait(
        self,
        *names: str,  # noqa: ARG002 - as of other states
        number: int | None = None,  # noqa: ARG002
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse to wait: what a handler sees does not change while it runs.

        :raises UsageError: always
        """
        raise UsageError(
            "states.wait: expected the states of main, init_function or Service.states, got those "
            "of a handler, which stay as they are while it runs"
        )


def _is_there(status: Status, number: int | None) -> bool:
    return status.phase is Phase.LIVE and (number is None or status.number >= number)
