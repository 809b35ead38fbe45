"""The actor of one instance: runs its process, on the actor's node and as long as the actor lives.

An actor that Ray has restarted, here or on another node, has new addresses: it looks up its peers
by name, and exchanges addresses with them.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError

from sf_actors.fleet.ray.names import CONTROL, actor_name, latest
from sf_actors.fleet.ray.slot import Slot

if TYPE_CHECKING:
    from sf_actors.fleet.ray.directory import Part, Spot
    from sf_actors.fleet.ray.events import EventBatch

#: How long a call for news waits for events, in seconds.
NEWS_S: Final = 20.0

#: How long a peer may take to answer, and the pause before a silent one is asked again, in seconds.
ANSWER_S: Final = 3.0
AGAIN_S: Final = 5.0


class InstanceActor:
    """One instance of a fleet; its methods run in Ray's threads.

    :param is_new: False if it replaces a dead actor, so that its peers must learn its addresses
    """

    def __init__(self, part: Part, *, is_new: bool = True) -> None:
        self._part = part
        folder = Path.cwd()
        self._slot = Slot(part, host=host_here(), folder=folder, agent=os.getppid())
        was_restarted = ray.get_runtime_context().was_current_actor_reconstructed
        if was_restarted or not is_new:
            threading.Thread(target=self._come_back, name="peers", daemon=True).start()

    def __repr__(self) -> str:
        return self._part.name

    def spot(self) -> Spot:
        """Return where it is."""
        return self._slot.spot

    def run(self, spots: dict[str, Spot]) -> dict[str, Any] | None:
        """Run its process; see `Slot.run`."""
        return self._slot.run(spots)

    def has_ended(self) -> bool:
        """Return True if its process has run and has ended."""
        return self._slot.has_run.is_set() and not self._slot.is_running()

    def news(self, last: int) -> EventBatch:
        """Return the next events, waiting for the first."""
        return self._slot.events.after(last, NEWS_S)

    def signal(self, number: int) -> None:
        """Send a signal to its process."""
        self._slot.signal(number)

    def kill(self) -> None:
        """Kill its process."""
        self._slot.kill()

    def leave(self) -> None:
        """Clean up the node before the actor ends; log files stay."""
        self._slot.leave()

    def know(self, spots: dict[str, Spot], number: int) -> None:
        """Connect it to these peers; see `Slot.know`."""
        self._slot.know(spots, number)

    def meet(self, name: str, spot: Spot) -> Spot:
        """Note where a peer is; returns where this instance is."""
        return self._slot.meet(name, spot)

    # after a restart by Ray

    def _come_back(self) -> None:
        """Meet all peers, repeatedly asking silent ones, and run."""
        silent = self._meet(None)
        while True:
            if not self._slot.has_run.is_set() and not self._slot.lacking():
                self._run_alone()
            if not silent and self._slot.has_run.is_set():
                return
            threading.Event().wait(AGAIN_S)
            silent = self._meet(silent)

    def _meet(self, names: set[str] | None) -> set[str]:
        """Meet peers; returns those that do not answer.

        :param names: of their instances; None: all
        """
        there = latest(ray.util.list_named_actors())
        partners = self._slot.directory.partners
        asked: dict[str, Any] = {}
        for name, generation in there.items():
            is_partner = name.partition("#")[0] in partners and name != self._part.name
            if is_partner and (names is None or name in names):
                try:
                    peer = ray.get_actor(actor_name(name, generation))
                except ValueError:
                    continue
                asked[name] = peer.meet.remote(self._part.name, self._slot.spot)
        if asked:
            ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_S)
        silent = set()
        for name, answer in asked.items():
            try:
                self._slot.meet(name, ray.get(answer, timeout=0.1))
            except (RayError, GetTimeoutError):
                silent.add(name)
        return silent

    def _run_alone(self) -> None:
        """Run, unless the control actor is there, which will call `run`."""
        try:
            control = ray.get_actor(CONTROL)
            ray.get(control.is_there.remote(), timeout=ANSWER_S)
        except (ValueError, RayError, GetTimeoutError):
            self._slot.run()


def host_here() -> str:
    """Return the address of this node, as Ray knows it."""
    here = ray.get_runtime_context().get_node_id()
    return next(str(one["NodeManagerAddress"]) for one in nodes() if one["NodeID"] == here)


def nodes() -> list[dict[str, Any]]:
    """Return Ray's description of the nodes of the cluster."""
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call, unused-ignore]
    return found
