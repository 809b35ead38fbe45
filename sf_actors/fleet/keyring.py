"""The CURVE keys of a fleet: for each service a folder with its own pair and its peers' keys.

::

    KEYS/exchange/own.key_secret            its own pair, never replaced
    KEYS/exchange/authorized/trader.key     a linked service that may connect
    KEYS/trader/servers/orders.key          the server that its model connects to
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.errors import KeysError
from sf_actors.fleet.findings import shown_place
from sf_actors.folders import make_folder
from sf_actors.sockets.keys import load, new_pair
from sf_actors.wording import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.links import End, Link
    from sf_actors.fleet.outlines import ServiceOutline

#: The file below `servers` that holds for all models; only users write it.
DEFAULT = "default"


@dataclass(frozen=True)
class Ring:
    """The services whose keys one service needs.

    :ivar admits: the services that connect to it
    :ivar servers: by the name of a file below `servers`, without suffix: the services that the
        model connects to
    """

    admits: set[str] = field(default_factory=set)
    servers: dict[str, set[str]] = field(default_factory=dict)


def command_for(fleet: Fleet) -> str:
    """Return the command that creates missing keys, to be typed in the working directory."""
    path = shown_place(str(fleet.path))
    named = "" if path == "fleet.toml" else f" --fleet {shlex.quote(path)}"
    return f"sf_actors keys fleet{named}"


def rings_of(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], links: Sequence[Link]
) -> dict[str, Ring]:
    """Return the services whose keys each service needs, by its links."""
    rings = {name: Ring() for name in fleet.by_name}
    for link in links:
        for joint in link.joints:
            mine, theirs = joint.connector, joint.binder
            rings[theirs.service].admits.add(mine.service)
            name = server_file(outlines[mine.service], mine)
            rings[mine.service].servers.setdefault(name, set()).add(theirs.service)
    return rings


def server_file(outline: ServiceOutline, end: End) -> str:
    """Return the name of the file with the server key for a model's socket."""
    kinds = Counter(
        model.kind
        for model in outline.models
        if model.name == end.model and not all(model.binds.values())
    )
    return end.model if len(kinds) == 1 else f"{end.kind}.{end.model}"


def write_keys(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], links: Sequence[Link]
) -> Iterator[Path]:
    """Create the missing keys of a fleet; yields the path of each file that was written.

    A pair is never replaced. Files that are not named after a service or model are left alone.

    :raises KeysError: the fleet names no folder for keys, or a key cannot be read or written; or,
        after all else is written, a model connects to services with different pairs
    """
    if fleet.keys is None:
        raise KeysError(
            f'keys fleet: {fleet.path} names no folder for keys; write keys = "keys" into [fleet]'
        )
    public: dict[str, bytes] = {}
    for name in fleet.by_name:
        folder = fleet.keys / name
        if not (folder / "own.key_secret").exists():
            yield from new_pair("own", folder)
        public[name] = load(folder).own_public
    problems: list[str] = []
    for name, ring in rings_of(fleet, outlines, links).items():
        folder = fleet.keys / name
        yield from _write_all(folder / "authorized", {one: public[one] for one in ring.admits})
        found = {}
        for file, servers in ring.servers.items():
            keys = {public[server] for server in servers}
            if len(keys) > 1:
                problems.append(
                    f"keys fleet: {name}: {problem_of(fleet, fleet.keys, file, servers)}"
                )
            else:
                (found[file],) = keys
        yield from _write_all(folder / "servers", found)
    for problem in problems:
        raise KeysError(problem)


def remove_keys(
    fleet: Fleet, outlines: Mapping[str, ServiceOutline], links: Sequence[Link]
) -> Iterator[Path]:
    """Remove the files that `write_keys` wrote for links that are gone; yields their paths.

    Files that somebody else put there stay: those with another name, key or content.

    :raises KeysError: a key cannot be read or removed
    """
    if fleet.keys is None or not fleet.keys.is_dir():
        return
    paired = sorted(path.parent for path in fleet.keys.glob("*/own.key_secret"))
    ours = {folder.name: _certificate(load(folder).own_public) for folder in paired}
    for name, ring in rings_of(fleet, outlines, links).items():
        for folder, wanted in (("authorized", ring.admits), ("servers", set(ring.servers))):
            for path in sorted((fleet.keys / name / folder).glob("*.key")):
                if path.stem in wanted or path.stem == DEFAULT:
                    continue
                # files in authorized/ are named after services, those in servers/ after models
                known = [ours.get(path.stem)] if folder == "authorized" else ours.values()
                try:
                    if path.read_bytes() in known:
                        path.unlink()
                        yield path
                except OSError as error:
                    raise KeysError(
                        f"keys fleet: cannot remove {path}: {reason_of(error)}"
                    ) from None


def problem_of(fleet: Fleet, keys: Path, file: str, servers: set[str]) -> str:
    """Return an error text for a model that connects to services with different key pairs.

    :param keys: the folder that has a folder for each service
    """
    first, *others = sorted(servers)
    place = Path(shown_place(str(keys)))
    pair = [str(place / first / name) for name in ("own.key", "own.key_secret")]
    copies = [shlex.join(["cp", "-p", *pair, str(place / other)]) for other in others]
    return (
        f"expected one pair of keys where {file!r} connects to, got those of "
        f"{', '.join([first, *others])}; to let them have one, type: "
        f"{' && '.join([*copies, command_for(fleet)])}"
    )


def _write_all(folder: Path, keys: Mapping[str, bytes]) -> Iterator[Path]:
    if not keys:
        return
    try:
        make_folder(folder, 0o700)
        for name, key in sorted(keys.items()):
            path = folder / f"{name}.key"
            content = _certificate(key)
            if not path.is_file() or path.read_bytes() != content:
                _replace(path, content)
                yield path
    except OSError as error:
        raise KeysError(f"keys fleet: cannot write {folder}: {reason_of(error)}") from None


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


def _certificate(key: bytes) -> bytes:
    """Return a public key in the form of pyzmq's certificate files."""
    return b'metadata\ncurve\n    public-key = "' + key + b'"\n'
