"""Reads one service file and describes its models, in a process of its own for `reading`.

The process gets a pickled `FleetService` on standard input, with addresses or None, and answers
with one JSON object on standard output. The output of user code is discarded, and threads that it
leaves behind are not waited for.
"""

from __future__ import annotations

import ast
import json
import os
import pickle
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_actors.definition.config.json_file import plain
from sf_actors.definition.environment import expanded
from sf_actors.definition.service_file import load
from sf_actors.errors import SfActorsError
from sf_actors.fleet.fleet import INSTANCE, FleetService
from sf_actors.fleet.handler_calls import names_called
from sf_actors.fleet.outlines import FAMILIES, ModelOutline
from sf_actors.fleet.source_places import lines_of_models, place
from sf_actors.inspection.messages import messages_of
from sf_actors.lifecycle.loading import Loading
from sf_actors.user_code.tracebacks import is_of_package, passed_user_code
from sf_actors.wording import bounded, escaped, text_of

if TYPE_CHECKING:
    from sf_actors.definition.models import Model
    from sf_actors.definition.service_file import Described, ServiceFile

#: How long the tasks of `async` hooks may take to end, in seconds.
_ENDING_S = 1.0


def main() -> None:
    """Answer the request on standard input, and end the process."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    service, addresses = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the process that started this one
    try:
        description = described(service, addresses)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        description = _failure(error, str(service.file))
    with open(answer, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123 - a descriptor
        json.dump(description, file, default=str)
    os._exit(0)


def described(service: FleetService, addresses: dict[str, Any] | None) -> dict[str, Any]:
    """Execute a service file and its setup hooks, and return its models as plain values.

    Runs user code in the caller's thread.

    :param addresses: as in `read_services`
    :raises SfActorsError: the file, a model, a hook's answer or the config is wrong
    :raises BaseException: user code raised it
    """
    loading = Loading(stop_timeout_s=_ENDING_S, nudge=lambda: None)
    path = Path(str(service.file))

    def describe() -> tuple[Described, bool]:
        file: ServiceFile = load(path, blocking=loading.event_loop.blocking)
        try:
            takes_instance = file.declares(INSTANCE)
            config = service.config_source(number=1 if takes_instance else None)
            found = file.describe(config, addresses)
            file.require_runnable(
                found.models, main_mode=service.main, allow_inbound=service.allow_inbound
            )
        finally:
            file.unload()
        return found, takes_instance

    try:
        found, takes_instance = loading.run(describe)
    finally:
        loading.event_loop.end(_ENDING_S)
    is_changed = addresses is not None and found.addresses != expanded(addresses)
    tree = _tree_of(path)
    lines = {} if tree is None else lines_of_models(tree)
    return {
        "takes_instance": takes_instance,
        "addresses": plain(found.addresses) if is_changed else None,
        "models": [
            asdict(
                ModelOutline(
                    service.name,
                    *model.key,
                    model.type,
                    dict(model.binds),
                    _plain_values(model),
                    messages_of(model),
                    _asked(tree, model, path),
                    place(str(path), lines, tree, model.key),
                    model.handler is not None or bool(model.creation.get("on_status")),
                )
            )
            for model in found.models
            if model.type in FAMILIES or model.handler is not None
        ],
    }


def _plain_values(model: Model) -> dict[str, Any]:
    return {
        name: value
        for name, value in model.creation.items()
        if value is None or isinstance(value, bool | int | float | str)
    }


def _asked(tree: ast.Module | None, model: Model, path: Path) -> tuple[str, ...]:
    if tree is None or model.handler is None:
        return ()
    return names_called(tree, model.handler, str(path.absolute()))


def _tree_of(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _failure(error: BaseException, file: str) -> dict[str, str]:
    """Return why a service cannot be read, and the line of user code that caused it."""
    text = " ".join(escaped(bounded(text_of(error))).split())
    if isinstance(error, SfActorsError) and not passed_user_code(error):
        return {"failure": text, "at": file}
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not is_of_package(frame.filename)]
    at = f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else file
    if isinstance(error, SystemExit):
        return {"failure": f"it called sys.exit({error.code!r})", "at": at}
    raised = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return {"failure": f"it raised {raised}", "at": at}


if __name__ == "__main__":
    main()
