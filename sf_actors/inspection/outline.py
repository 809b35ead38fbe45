"""Outlines of services that do not run: the models from their files and setup hooks."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.definition.addresses import resolve
from sf_actors.definition.config.model import ConfigSource
from sf_actors.definition.names import require_plain
from sf_actors.definition.service_file import load
from sf_actors.errors import AddressError
from sf_actors.lifecycle.loading import Loading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.definition.models import Model
    from sf_actors.definition.service_file import Described, Key
    from sf_actors.sockets.endpoint import Endpoint

#: How long the tasks of `async` hooks may take to end, in seconds.
_ENDING_S = 1.0


@dataclass(frozen=True, eq=False)
class Outline:
    """One service as its file describes it.

    :ivar name: unique among those read together: the second `svc` is `svc#2`
    :ivar file: the path as given
    :ivar endpoints: socket name -> address, for the models that have addresses
    """

    name: str
    file: str
    models: tuple[Model, ...]
    endpoints: Mapping[Key, Mapping[str, Endpoint]]


def read_outline(
    path: str,
    *,
    config: Mapping[str, object] | None = None,
    config_where: str = "config",
    addresses: Mapping[str, Any] | None = None,
) -> Outline:
    """Execute a service file and its setup hooks, but neither `init_function` nor `main`.

    Its output goes to standard error. Runs user code in the caller's thread.

    :param addresses: None: there are none, and `setup_addresses` does not run
    :raises SfActorsError: the file, a model, a hook's answer, the config or an address is wrong
    :raises BaseException: user code raised it
    """
    loading = Loading(stop_timeout_s=_ENDING_S, nudge=lambda: None)

    def describe() -> Described:
        file = load(path, blocking=loading.event_loop.blocking)
        try:
            return file.describe(ConfigSource(config or {}, where=config_where), addresses)
        finally:
            file.unload()

    with redirect_stdout(sys.stderr):
        try:
            described = loading.run(describe)
        finally:
            loading.event_loop.end(_ENDING_S)
    require_plain(described.name, where=f"{Path(path).name}: the service's name")
    return Outline(
        described.name, path, described.models, _endpoints(described.models, described.addresses)
    )


def with_unique_names(outlines: Sequence[Outline]) -> list[Outline]:
    """Return the outlines with unique names, like those of services in one process."""
    counts: dict[str, int] = {}
    named = []
    for one in outlines:
        number = counts[one.name] = counts.get(one.name, 0) + 1
        name = one.name if number == 1 else f"{one.name}#{number}"
        named.append(Outline(name, one.file, one.models, one.endpoints))
    return named


def _endpoints(
    models: Sequence[Model], addresses: Mapping[str, Any] | None
) -> dict[Key, dict[str, Endpoint]]:
    """Return the addresses of the models that have addresses; others may lack them.

    :raises AddressError: an address is wrong
    """
    found: dict[Key, dict[str, Endpoint]] = {}
    for model in models:
        entry: Any = addresses
        for step in model.key:
            if entry is not None and not hasattr(entry, "get"):
                raise AddressError(f"addresses: expected dicts down to {model.name!r}")
            entry = (entry or {}).get(step)
        if entry is not None:
            found |= resolve(addresses, [model])  # type: ignore[arg-type]
    return found
