"""What holds the package together: who may import whom, how long a file is, what it is called."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sf_actors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(sf_actors.__file__).parent

#: The layers from the lowest to the highest; what stands in one line may import each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "nearest", "work"),
    ("wire",),
    ("replication",),
    ("json_file",),
    ("user_frames", "counters", "log", "addresses", "config", "definition", "keys"),
    ("actors", "peers"),
    ("runtime", "starting", "stopping", "stats", "signals", "signal_hook"),
    ("loading", "service"),
    ("__init__", "testing"),
    ("demo",),
    ("arguments", "cli"),
    ("__main__",),
)

#: Packages that know nothing of threads, sockets and clocks.
PURE = ("wire", "replication")
IMPURE = {"asyncio", "select", "socket", "subprocess", "threading", "time", "zmq", "pykka"}

MAX_LINES = 400
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

MODULES = sorted(ROOT.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Give the full names of the modules that a file imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{named(path)}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    """Return the part of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def layer_of(part: str) -> int:
    found = [number for number, layer in enumerate(LAYERS) if part in layer]
    assert found, f"{part} stands in no layer of this test; where does it belong?"
    return found[0]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_downwards_only(path: Path) -> None:
    mine = layer_of(part_of(path))
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package != "sf_actors":
            continue
        part = rest.partition(".")[0]
        is_module = (ROOT / part).is_dir() or (ROOT / f"{part}.py").is_file()
        theirs = layer_of(part if is_module else "__init__")
        assert theirs <= mine, f"{named(path)} imports {name}, which stands above it"


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) in PURE], ids=named)
def test_what_is_pure_knows_no_thread_socket_or_clock(path: Path) -> None:
    used = {name.partition(".")[0] for name in imports_of(path)} & IMPURE

    assert not used, f"{named(path)} imports {used}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_file_is_two(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= MAX_LINES, f"{named(path)} has {lines} lines"


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part.removesuffix(".py") for path in MODULES for part in path.parts[-2:]}

    assert not parts & EMPTY_NAMES


def test_only_the_inbox_touches_the_inner_parts_of_pykka() -> None:
    touching = {
        named(path)
        for path in MODULES
        if any(name.startswith("pykka._") for name in imports_of(path))
    }

    assert touching <= {"actors/inbox.py"}
