"""The types with which a service file annotates its functions, for mypy and pyright.

They are protocols: the objects that the functions get match them without inheriting from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView

    from sf_actors.replication.status import Status


class Send(Protocol):
    """`to_send`: ``to_send('connection', name, args)``, ``to_send(name, args)``."""

    def __call__(self, output_type: str, output_name: Any, args: Any = ..., /) -> Any:
        """Send; any thread of the service.

        :returns: the reply of a requester or external target, the number of a state's update
        :raises SfActorsError: see the table of errors in the README
        """


class States(Protocol):
    """`states`: a read-only mapping from the name of a state to its value."""

    def __getitem__(self, name: str, /) -> Mapping[str, Any]:
        """Return the value of a state, `{}` before the first."""

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""

    def __len__(self) -> int:
        """Return how many states there are."""

    def __contains__(self, name: object, /) -> bool:
        """Return True if a state has this name."""

    # the value of a state, or the default if none has this name
    @overload
    def get(self, name: str, /) -> Any: ...

    @overload
    def get(self, name: str, default: Any, /) -> Any: ...

    def keys(self) -> KeysView[str]:
        """Return the names."""

    def values(self) -> ValuesView[Mapping[str, Any]]:
        """Return the values."""

    def items(self) -> ItemsView[str, Mapping[str, Any]]:
        """Return names with values."""

    @property
    def out(self) -> Mapping[str, Mapping[str, Any]]:
        """The out-states alone; an in-state may have the same name."""

    def status(self, name: str) -> Status:
        """Return the status of a state: how far its value can be trusted now."""

    def wait(self, *names: str, number: int | None = None, timeout_s: float | None = None) -> bool:
        """Wait until all these in-states are LIVE, or until one has an update of this number.

        :returns: False if `timeout_s` passed before
        :raises ServiceStopped: the service stops
        """


class Update(Protocol):
    """`update`, for the handler of an in-state: the facts about the update, frozen."""

    @property
    def number(self) -> int:
        """Its number."""

    @property
    def epoch(self) -> int | None:
        """The run of the publisher that sent it; None from a peer without epochs."""

    @property
    def is_whole(self) -> bool:
        """True if `args` is the whole value: a snapshot, a resync, a full update."""


class Stopping(Protocol):
    """`stopping`: set when the stop of the service begins."""

    def is_set(self) -> bool:
        """Return True once the stop has begun."""

    def wait(self, seconds: float, /) -> bool:
        """Wait at most `seconds` for the stop; return True if it has begun."""
