"""The connection of a verb to a running cluster of Ray, and to its fleet there."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError

from sf_actors.errors import ServiceFailed, TargetError, UsageError
from sf_actors.fleet.ray.instance_actor import nodes
from sf_actors.fleet.ray.names import CONTROL, namespace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.ray.actor_registry import Design
    from sf_actors.fleet.ray.events import EventBatch
    from sf_actors.fleet.ray.log_files import Piece

#: How long a cluster may take to accept a connection, and a fleet's actors to end, in seconds.
CONNECTING_S: Final = 5.0
GOING_S: Final = 15.0

_BETWEEN_S: Final = 0.05
_CONCURRENCY: Final = 64

#: A resource that only the head of a cluster has.
_HEAD: Final = "node:__internal_head__"
_LITTLE: Final = 0.0001

_SETTINGS: Final = {
    # the log lines of a fleet come through its own `up`, complete and in order
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # the fleet itself chooses which files are sent
    "RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Cluster:
    """A cluster, for one verb; closed by `with`.

    :param address: HOST:PORT; None: the cluster that runs here, or `RAY_ADDRESS`
    :param package: a zip file to send to the cluster
    :raises TargetError: there is no cluster
    """

    def __init__(self, fleet: Fleet, address: str | None, package: Path | None = None) -> None:
        self._fleet = fleet
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        address = address or os.environ.get("RAY_ADDRESS") or None
        if address not in {None, "auto", "local"}:
            _require_listener(str(address))
        environment = None if package is None else {"working_dir": str(package)}
        try:
            ray.init(
                address=address or "auto",
                namespace=namespace_of(fleet.name),
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                configure_logging=True,
            )
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            ray.shutdown()
            where = "runs here" if address is None else f"answers at {address}"
            why = str(error).strip().partition("\n")[0]
            raise TargetError(f"no cluster of Ray {where}: {why}") from None

    def __enter__(self) -> Self:
        # Ray prints messages about its nodes, from a thread of its own
        self._stdout = sys.stdout
        sys.stdout = _OfOneThread(sys.stdout)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        ray.shutdown()
        sys.stdout = self._stdout

    @property
    def package(self) -> str:
        """The URI of the package that was sent."""
        return str(ray.get_runtime_context().runtime_env["working_dir"])

    def require_hosts(self) -> None:
        """Refuse a fleet that names a machine which the cluster lacks.

        :raises ServiceFailed: no node has the label
        """
        alive = [node for node in nodes() if node["Alive"]]
        labels = {node.get("Labels", {}).get("sf-host") for node in alive}
        for service in self._fleet.services:
            if service.host is not None and service.host not in labels:
                raise ServiceFailed(
                    f"{service.name}: expected a node with the label sf-host={service.host}, "
                    f"the cluster has none"
                )

    def control(self) -> ControlHandle | None:
        """Return the `up` of the fleet; None if it does not run."""
        try:
            return ControlHandle(ray.get_actor(CONTROL))
        except ValueError:
            return None

    def required_control(self) -> ControlHandle:
        """Return the `up` of the fleet, or raise.

        :raises TargetError: it does not run
        """
        found = self.control()
        if found is None:
            raise TargetError(
                f"the fleet {self._fleet.name} does not run on Ray: sf_actors up --on ray"
            )
        return found

    def start(self, design: Design, names: list[str]) -> ControlHandle:
        """Start the fleet.

        :raises TargetError: somebody else has just started it
        """
        from sf_actors.fleet.ray.control_actor import ControlActor  # noqa: PLC0415 - by `up` alone

        # on the head: without it there is no cluster, so no other node's end can end the fleet
        has_head = any(_HEAD in node["Resources"] for node in nodes() if node["Alive"])
        try:
            actor = (
                ray.remote(ControlActor)
                .options(
                    name=CONTROL,
                    lifetime="detached",
                    num_cpus=0,
                    max_restarts=-1,
                    max_concurrency=_CONCURRENCY,
                    resources={_HEAD: _LITTLE} if has_head else None,
                )
                .remote(design, names)
            )
        except ValueError:
            raise TargetError(f"the fleet {self._fleet.name} runs already") from None
        return ControlHandle(actor)

    def wait_gone(self) -> list[str]:
        """Wait until no actor of the fleet is left; returns those that are left at the timeout."""
        deadline = monotonic() + GOING_S
        while (left := ray.util.list_named_actors()) and monotonic() < deadline:
            _pause(_BETWEEN_S)
        return list(left)


class ControlHandle:
    """A verb's handle to the `up` of a fleet on Ray; any thread."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._has_left = False

    def end(self, number: int) -> None:
        """End the fleet; at the second call, at once."""
        self._actor.end.remote(number)

    def leave(self) -> None:
        """Show no more: the fleet goes on alone, and its end waits for nobody here."""
        self._has_left = True
        ray.get(self._actor.show_no_more.remote())

    def shown(self) -> Iterator[Any]:
        """Yield the events that `up` shows, until the fleet ends."""
        yield from self._heard(self._actor.news.remote)

    def ask(self, report: Callable[[str], None], **args: Any) -> dict[str, Any]:
        """Send a request, and wait for the answer.

        :param report: takes progress reports
        :returns: the answer; without `status` if `up` ended before it answered
        """
        try:
            number = ray.get(self._actor.ask.remote(**args))
            for message in self._heard(lambda last: self._actor.hear.remote(number, last)):
                if "say" in message:
                    report(message["say"])
                else:
                    # confirm the answer, so that the actor may end
                    self._actor.hear.remote(number, message.pop("last"))
                    return dict(message)
        except RayActorError:
            pass
        return {}

    def log_pieces(self, known: dict[int, int]) -> list[Piece]:
        """Return the new pieces of the fleet's log files; none once it has ended."""
        try:
            found: list[Piece] = ray.get(self._actor.log_pieces.remote(known))
        except RayError:
            return []
        return found

    def _heard(self, ask: Callable[[int], Any]) -> Iterator[Any]:
        last = since = 0
        while not self._has_left:
            try:
                batch: EventBatch = ray.get(ask(last))
            except ActorUnavailableError:
                _pause(_BETWEEN_S)
                continue
            if since and batch.since != since:
                # the actor was restarted
                last, since = 0, batch.since
                continue
            since = batch.since
            for number, event in enumerate(batch.events, batch.last - len(batch.events) + 1):
                if isinstance(event, dict) and "status" in event:
                    event["last"] = number
                yield event
            last = batch.last


class _OfOneThread:
    """A stream that accepts output only from the thread that created it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        """Print the text if this is the creating thread, else drop it."""
        return self._stream.write(text) if threading.get_ident() == self._thread else len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _require_listener(address: str) -> None:
    """Refuse an address where nobody listens, for which Ray would wait long.

    :raises UsageError: it is not an address
    :raises TargetError: nobody listens there
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--ray-address: expected HOST:PORT, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise TargetError(f"no cluster of Ray answers at {address}: {why}") from None


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)
