"""The verb `info`: describes a service, apart from its numbers."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from sf_actors.inspection.iso_time import iso_time
from sf_actors.inspection.messages import fields_of
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.version import VERSION
from sf_actors.wording import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sf_actors.definition.models import Model
    from sf_actors.lifecycle.residents import Resident, Source

#: The types of models that have a reply.
_ASKING = ("replyer", "requester", "external_target")


def info_of(resident: Resident) -> dict[str, Any]:
    """Return the description of a service; any thread."""
    state = resident.state
    models = () if state is None else state.definition.models
    known = resident.service.addresses
    return {
        "service": resident.name,
        "pid": os.getpid(),
        "file": file_of(resident.source),
        "command": (RESIDENTS.command or _command_of_program)(),
        "started_at": iso_time(resident.started_at),
        "python": platform.python_version(),
        "versions": {
            "sf_actors": VERSION,
            "pyzmq": zmq.__version__,
            "libzmq": zmq.zmq_version(),
            "msgspec": msgspec.__version__,
        },
        "config": [] if state is None else [str(key) for key in state.definition.config],
        # a bus has addresses and no models
        "addresses": known if state is None else _addresses_of(models, known),
        "secured": state is not None and state.run_context.transport.is_secured,
        "log_file": None if state is None else state.run_context.scope.log_file,
        "models": _by_place({model.key: model_info(model) for model in models}),
    }


def model_info(model: Model) -> dict[str, Any]:
    """Return the description of a model, with its fields as JSON Schemas."""
    return {
        "type": model.type,
        "topic": model.creation.get("topic"),
        "arguments": fields_of(model.arguments),
        "return_arguments": fields_of(model.return_arguments) if model.type in _ASKING else None,
        "binds": any(model.binds.values()),
        "sockets": dict(model.binds),
        "at_bus": bool(model.creation.get("is_x_pub") or model.creation.get("is_x_sub")),
        "unknown_fields": model.creation.get("unknown_fields"),
        "is_single": model.single_state,
    }


def file_of(source: Source) -> str | None:
    """Return the absolute path of a service file or module; None if there is no file."""
    path = getattr(source, "__file__", None) if isinstance(source, ModuleType) else source
    return str(Path(path).absolute()) if path is not None and Path(path).is_file() else None


def _addresses_of(models: Sequence[Model], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the addresses of a service's own models, by socket."""
    found: dict[tuple[str, str, str], Any] = {}
    for model in models:
        given = known.get(model.kind, {}).get(model.side, {}).get(model.name)
        if model.sockets and given is not None:
            only = given if isinstance(given, str | list) else next(iter(given.values()), None)
            by_socket = given if len(model.sockets) > 1 else {model.sockets[0]: only}
            found[model.key] = {socket: by_socket.get(socket) for socket in model.sockets}
    return _by_place(found)


def _by_place(found: Mapping[tuple[str, str, str], Any]) -> dict[str, Any]:
    places: dict[str, Any] = {kind: {"in": {}, "out": {}} for kind in ("connections", "states")}
    for (kind, side, name), value in found.items():
        places[kind][side][name] = value
    return places


def _command_of_program() -> str:
    """Return the command line of this program, without the values of its arguments."""
    script, *arguments = sys.argv or [""]
    named = [one.partition("=")[0] if one.startswith("--") else LEFT_OUT for one in arguments]
    return " ".join([os.path.basename(sys.executable), script, *named])  # noqa: PTH119
