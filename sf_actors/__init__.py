"""Services as one plain Python file, run over ZeroMQ by threaded actors.

`Service` runs a service file, `get_logger` returns a logger, `counterpart` the other side's model,
and every error of the package is an `SfActorsError`. `Send`, `States`, `Stopping` and `Update` are
the types of what user functions get.

Each name is imported on first use: the verbs of the shell need few of them.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sf_actors.definition.counterpart import counterpart
    from sf_actors.errors import (
        ActorDied,
        AddressError,
        BindError,
        ConfigError,
        DefinitionError,
        InvalidArguments,
        KeysError,
        MessageTooLarge,
        ModelError,
        Refused,
        RemoteError,
        RequestTimeout,
        ServiceFailed,
        ServiceRunning,
        ServiceStopped,
        SfActorsError,
        StopOverdue,
        StoreError,
        UsageError,
        UserError,
    )
    from sf_actors.inspection.http.server import http
    from sf_actors.inspection.presence import inspect
    from sf_actors.lifecycle.residents import Resident
    from sf_actors.log import get_logger, log_standard_library
    from sf_actors.public_types import Send, States, Stopping, Update
    from sf_actors.replication.status import Phase, Status
    from sf_actors.service import Service

__all__ = [
    "ActorDied",
    "AddressError",
    "BindError",
    "ConfigError",
    "DefinitionError",
    "InvalidArguments",
    "KeysError",
    "MessageTooLarge",
    "ModelError",
    "Phase",
    "Refused",
    "RemoteError",
    "RequestTimeout",
    "Send",
    "Service",
    "ServiceFailed",
    "ServiceRunning",
    "ServiceStopped",
    "SfActorsError",
    "States",
    "Status",
    "StopOverdue",
    "Stopping",
    "StoreError",
    "Update",
    "UsageError",
    "UserError",
    "counterpart",
    "get_logger",
    "http",
    "inspect",
    "log_standard_library",
]

_HOMES = {
    "sf_actors.definition.counterpart": ("counterpart",),
    "sf_actors.inspection.http.server": ("http",),
    "sf_actors.inspection.presence": ("inspect",),
    "sf_actors.log": ("get_logger", "log_standard_library"),
    "sf_actors.public_types": ("Send", "States", "Stopping", "Update"),
    "sf_actors.replication.status": ("Phase", "Status"),
    "sf_actors.service": ("Service",),
}
"""The modules that define the names; all others are errors."""

_MODULES = ("errors", "log", "service")
"""Submodules that need no import of their own: `sf_actors.errors` works as it stands."""

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name of the package; any thread."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Service":
        # the first run may have to be inspectable, and this module is told of it
        import_module("sf_actors.inspection.presence")
    found: object = getattr(import_module(_HOME_OF.get(name, "sf_actors.errors")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the names of the package, whether imported yet or not."""
    return sorted({*globals(), *__all__})


if "SF_ACTORS_INSPECT" in os.environ:
    # where `Service` is imported from its own module; the verbs of the shell don't load it
    from sf_actors.lifecycle.residents import RESIDENTS

    def _first(resident: Resident) -> None:
        from sf_actors.inspection.presence import PRESENCE  # noqa: PLC0415 - when it is needed

        PRESENCE.begin(resident)

    RESIDENTS.on_first = RESIDENTS.on_first or _first
