"""What user code sees of the states that a service follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sf_actors.errors import InvalidArguments
from sf_actors.replication.values.frozen import View
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map


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

    def view(self) -> Mapping[str, Any]:
        """Return the value, read-only; O(1)."""
        return View(self.value)


class States(Mapping[str, Mapping[str, Any]]):
    """The values of the in-states, live: each look shows the current one; any thread.

    `states.status(name)` tells how far a replica can be trusted.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: dict[str, StateSlot]) -> None:
        self._cells = cells

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the current value of an in-state, `{}` before the first."""
        return self._cells[name].view()

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def __repr__(self) -> str:
        return repr({name: self[name] for name in self})

    def status(self, name: str) -> Status:
        """Return how an in-state stands now.

        :raises InvalidArguments: there is no in-state of that name
        """
        cell = self._cells.get(name)
        if cell is None:
            raise InvalidArguments(f"no in-state is named {name!r}{nearest(name, self._cells)}")
        return cell.status()

    def cell(self, name: str, value: Map[str, Any], status: Callable[[], Status]) -> StateSlot:
        """Return the slot of an in-state; an existing slot keeps its value."""
        cell = self._cells.get(name)
        if cell is None:
            cell = self._cells[name] = StateSlot(value, status)
        cell.status = status
        return cell

    def pinned(self, instead: Mapping[str, Any] | None = None) -> States:
        """Return the values of this moment, which later updates do not change.

        :param instead: values to show for some of the names, as persistent maps
        """
        if not self._cells:
            return self
        return PinnedStates(self._cells, instead or {})


class PinnedStates(States):
    """The values of the in-states at one moment; `status` stays live."""

    __slots__ = ("_values",)

    def __init__(self, cells: dict[str, StateSlot], instead: Mapping[str, Any]) -> None:
        self._cells = cells
        #: HOT: made for each handler that is called
        self._values = values = dict(instead)
        for name, cell in cells.items():
            if name not in values:
                values[name] = cell.value

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the value that an in-state had at that moment."""
        return View(self._values[name])
