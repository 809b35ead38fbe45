"""`states`: the view that user code has of a service's in-states and out-states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, UnsetType

from sf_actors.errors import InvalidArguments, UsageError
from sf_actors.replication.missing_updates import progress
from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View
from sf_actors.sync.forks import FORKS, of_parent
from sf_actors.sync.seconds import longest
from sf_actors.user_code.state_changes import StateChanges
from sf_actors.wire.seen import MAX_SEEN, Seen
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sf_actors.replication.missing_updates import FollowedState
    from sf_actors.replication.status import Status
    from sf_actors.user_code.state_slot import OwnSlot, Slot, StateSlot, Version


class States(Mapping[str, Mapping[str, Any]]):
    """The values of in-states and out-states, live: each look shows the current one; any thread.

    A name on both sides means the in-state; `out` has the out-states alone.
    `states.status(name)` tells how far a value can be trusted.

    :ivar has_any: whether there is any state; without one, requests and replies carry no `seen`
    """

    __slots__ = ("_cells", "_changes", "_out", "has_any")

    def __init__(
        self,
        cells: dict[str, StateSlot],
        out: dict[str, OwnSlot] | None = None,
        changes: StateChanges | None = None,
    ) -> None:
        self._cells = cells
        self._out: dict[str, OwnSlot] = {} if out is None else out
        self._changes = StateChanges() if changes is None else changes
        self.has_any = bool(self._cells or self._out)

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the current value of a state, `{}` before the first.

        :raises UsageError: in the child of a fork, like all methods here
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
    def changes(self) -> StateChanges:
        """The object that wakes threads which wait for a state."""
        return self._changes

    def status(self, name: str) -> Status:
        """Return the current status of a state.

        :raises InvalidArguments: there is no state of that name
        """
        return self._known(name).status()

    def wait(self, *names: str, number: int | None = None, timeout_s: float | None = None) -> bool:
        """Wait until states are LIVE; blocks, in any thread but a handler's.

        :param names: the states; none: all in-states
        :param number: wait until the value of the one named state has this update, or a later one
            of the present epoch
        :param timeout_s: longest wait, in seconds; None waits until the service stops
        :returns: False if `timeout_s` passed before
        :raises InvalidArguments: there is no state of that name, or `number` without one name
        :raises UsageError: `timeout_s` is no number
        :raises ServiceStopped: the service stops
        """
        if number is not None and len(names) != 1:
            raise InvalidArguments(
                f"states.wait: expected the name of one state with number={number}, "
                f"got {len(names)} names"
            )
        if not isinstance(number, int | None):
            raise InvalidArguments(
                f"states.wait: number: expected the number of an update, got {shown(number)}"
            )
        longest_s = longest("states.wait: timeout_s", timeout_s)
        self._require_ours()
        slots = [self._known(name) for name in names] if names else list(self._cells.values())

        def is_so() -> bool:
            return all(_is_there(slot.status(), number) for slot in slots)

        return self._changes.wait_until(is_so, longest_s)

    def add(self, name: str, slot: StateSlot) -> None:
        """Add an in-state to the view."""
        self._cells[name] = slot
        self.has_any = True

    def slot(self, name: str) -> StateSlot | None:
        """Return the slot of an in-state, None before it was first opened."""
        return self._cells.get(name)

    def show_own(self, name: str, slot: OwnSlot) -> None:
        """Add an out-state to the view."""
        self._out[name] = slot
        self.has_any = True

    @property
    def followed(self) -> Collection[FollowedState]:
        """The in-states, with the runs that they follow."""
        return self._cells.values()

    def seen(self) -> Seen | UnsetType:
        """Return how far each state with an epoch is, as requests and replies carry it; HOT."""
        if not self._cells and not self._out:
            return UNSET
        seen: Seen = {}
        for _, epoch, count in self._versions():
            if epoch is not None and count >= 0:
                seen[epoch] = max(count, seen.get(epoch, 0))
        for slot in self._out.values():
            epoch, count = slot.mark
            if count >= 0:
                # last, since this is exact for a state that the service also follows itself
                seen[epoch] = count
        if len(seen) > MAX_SEEN:
            seen = dict(list(seen.items())[:MAX_SEEN])
        return seen or UNSET

    def _versions(self) -> Collection[Version]:
        return [cell.version for cell in self._cells.values()]

    def in_call(self) -> States:
        """Return the states as the call in this context sees them, else the live ones."""
        pinned = PINNED.get()
        # the handler of another service may send through this one
        is_ours = pinned is not None and pinned._cells is self._cells  # noqa: SLF001 - of its class
        return pinned if pinned is not None and is_ours else self

    def learn(self, seen: Seen) -> None:
        """Note how far the sender of a reply had seen; does nothing, since live states show it."""

    def pinned(self, instead: Mapping[str, Version] | None = None) -> States:
        """Return a view of the current values, which later updates do not change.

        :param instead: versions to show for some of the names
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
    """The values of the in-states at one moment; `status` and out-states stay live."""

    __slots__ = ("_learnt", "_pinned")

    def __init__(
        self,
        cells: dict[str, StateSlot],
        out: dict[str, OwnSlot],
        instead: Mapping[str, Version],
        changes: StateChanges,
    ) -> None:
        # the base class's assignments, since calling its `__init__` would cost more
        self._cells, self._out, self._changes = cells, out, changes
        self.has_any = True
        self._pinned = dict(zip(cells, map(_version_of, cells.values()), strict=True))
        self._pinned.update(instead)
        #: how far the senders of replies to this call had seen
        self._learnt: Seen | None = None

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the pinned value of an in-state, or the current one of an out-state."""
        if self._changes.forks != FORKS.count:
            raise of_parent("states")
        version = self._pinned.get(name)
        return super().__getitem__(name) if version is None else View(version[0])

    def seen(self) -> Seen | UnsetType:
        """Return how far the call's states are, and further where replies to it have told so."""
        seen = super().seen()
        if self._learnt is None:
            return seen
        merged = {} if isinstance(seen, UnsetType) else seen
        for epoch, count in self._learnt.items():
            merged[epoch] = max(count, merged.get(epoch, 0))
        return merged

    def learn(self, seen: Seen) -> None:
        """Note how far the sender of a reply had seen, as far as this service is by now.

        So the next request of the call waits until its replyer knows as much.
        """
        learnt = self._learnt = {} if self._learnt is None else self._learnt
        for epoch, claimed in seen.items():
            reached = progress(epoch, self.followed)
            if reached is not None and reached.last >= 0:
                count = min(claimed, reached.last)
                learnt[epoch] = max(count, learnt.get(epoch, 0))

    def _versions(self) -> Collection[Version]:
        return self._pinned.values()

    def wait(
        self,
        *names: str,  # noqa: ARG002 - as of other states
        number: int | None = None,  # noqa: ARG002
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> bool:
        """Refuse to wait: the states of a handler do not change while it runs.

        :raises UsageError: always
        """
        raise UsageError(
            "states.wait: expected the states of main, init_function or Service.states, got those "
            "of a handler, which stay as they are while it runs"
        )


PINNED: Final[ContextVar[States | None]] = ContextVar("sf_actors_pinned_states", default=None)
"""The states that the running handler sees; its requests tell how far these are."""


_version_of: Final[Callable[[StateSlot], Version]] = attrgetter("version")


def _is_there(status: Status, number: int | None) -> bool:
    return status.phase is Phase.LIVE and (number is None or status.number >= number)
