"""E501: CURVE keys that are missing, or that would refuse a link."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from sf_actors.errors import KeysError
from sf_actors.fleet.findings import Finding, shown_place
from sf_actors.fleet.keyring import command_for, problem_of, rings_of, server_file
from sf_actors.sockets.keys import Keys, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.links import Joint, Link
    from sf_actors.fleet.outlines import ModelOutline, ServiceOutline


def refusing(
    fleet: Fleet,
    outlines: Mapping[str, ServiceOutline],
    links: Sequence[Link],
    outside: Iterable[ModelOutline] = (),
) -> Iterator[Finding]:
    """Yield the links that a fleet's keys would refuse; none for a fleet without keys.

    :param outside: the models that connect to an address outside the fleet
    """
    if fleet.keys is None:
        return
    loaded: dict[str, Keys] = {}
    command = command_for(fleet)
    for name in fleet.by_name:
        folder = fleet.keys / name
        try:
            loaded[name] = load(folder)
        except KeysError as error:
            message = _mended(folder, str(error).removeprefix("keys: "), command)
            yield Finding("E501", name, "", message, shown_place(str(folder)))
    several = {
        (name, file): services
        for name, ring in rings_of(fleet, outlines, links).items()
        for file, services in ring.servers.items()
        if len({loaded[one].own_public for one in services if one in loaded}) > 1
    }
    for (name, file), services in several.items():
        message = problem_of(fleet, fleet.keys, file, services)
        yield Finding("E501", name, file, message, fleet.place_of("services", name))
    for link in links:
        for joint in link.joints:
            mine, theirs = joint.connector, joint.binder
            if mine.service in loaded and theirs.service in loaded:
                yield from _refusing(fleet.keys, joint, loaded, command)
                if (mine.service, server_file(outlines[mine.service], mine)) not in several:
                    yield from _unknown(fleet.keys, joint, loaded, command)
    for model in outside:
        if model.service in loaded and not _knows(loaded[model.service], model):
            yield _unknown_outside(fleet, fleet.keys, model)


def _mended(folder: Path, error: str, command: str) -> str:
    """Return why a folder of keys cannot be used, and what helps.

    :param command: creates missing keys
    """
    secret = folder / "own.key_secret"
    what = error.partition(";")[0]
    if os.path.lexists(secret) and (
        not error.startswith(str(secret)) or {"chmod", "chown"} & set(error.split())
    ):
        return error
    # `keys fleet` never replaces a pair or half of one
    halves = [path for path in (folder / "own.key", secret) if os.path.lexists(path)]
    remove = shlex.join(["rm", *(shown_place(str(path)) for path in halves)])
    return f"{what}; type: {f'{remove} && ' if halves else ''}{command}"


def _unknown_outside(fleet: Fleet, folder: Path, model: ModelOutline) -> Finding:
    """Return the finding that a model lacks the key of the server outside that it connects to."""
    known = shown_place(str(folder / model.service / "servers" / f"{model.name}.key"))
    message = (
        "expected the key of the server outside that it connects to; type: "
        f"cp SERVER.key {shlex.quote(known)}"
    )
    at = fleet.place_of("services", model.service, "connect", model.name)
    return Finding("E501", model.service, model.name, message, at)


def _knows(keys: Keys, model: ModelOutline) -> bool:
    try:
        return bool(keys.server_key(f"{model.kind}/{model.name}"))
    except KeysError:
        return False


def _refusing(
    folder: Path, joint: Joint, loaded: Mapping[str, Keys], command: str
) -> Iterator[Finding]:
    """Yield a finding if a binder would refuse the service that connects."""
    mine, theirs = joint.connector, joint.binder
    if loaded[mine.service].own_public not in loaded[theirs.service].authorized():
        place = shown_place(str(folder / theirs.service / "authorized"))
        message = f"expected the key of {mine.service}, which connects; type: {command}"
        yield Finding("E501", theirs.service, theirs.model, message, place)


def _unknown(
    folder: Path, joint: Joint, loaded: Mapping[str, Keys], command: str
) -> Iterator[Finding]:
    """Yield a finding if the service that connects lacks the key of the binder."""
    mine, theirs = joint.connector, joint.binder
    own, other = loaded[mine.service], loaded[theirs.service]
    try:
        is_known = own.server_key(f"{mine.kind}/{mine.model}") == other.own_public
    except KeysError:
        is_known = False
    if not is_known:
        place = shown_place(str(folder / mine.service / "servers"))
        message = f"expected the key of {theirs.service}, to connect; type: {command}"
        yield Finding("E501", mine.service, mine.model, message, place)
