"""What holds the package together: who may import whom, how long a file is, what it is called."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sf_actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(sf_actors.__file__).parent

#: The floors from the lowest to the highest: what stands on one may use those below it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "wording"),
    ("counters",),
    ("sync", "log"),
    ("wire",),
    ("schema",),
    ("sockets",),
    ("replication",),
    ("storage",),
    ("definition",),
    ("user_code",),
    ("actors",),
    ("connections", "states"),
    ("lifecycle",),
    ("service",),
    ("__init__", "testing"),
    ("demo",),
    ("cli",),
    ("__main__",),
)

#: Packages that know nothing of threads, sockets and clocks.
PURE = ("wire", "schema", "replication")
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


def floor_of(part: str) -> int:
    found = [number for number, floor in enumerate(FLOORS) if part in floor]
    assert found, f"{part} stands on no floor of this test; where does it belong?"
    return found[0]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_point_downwards_only(path: Path) -> None:
    mine = floor_of(part_of(path))
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package != "sf_actors":
            continue
        part = rest.partition(".")[0]
        is_module = (ROOT / part).is_dir() or (ROOT / f"{part}.py").is_file()
        above = part if is_module else "__init__"
        is_below = floor_of(above) < mine or above == part_of(path)
        assert is_below, f"{named(path)} imports {name}, which does not stand below it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Type-checking imports included: a circle of thought is one too."""
    modules = {module_named(path): path for path in MODULES}
    below = {
        name: {found for found in map(modules_of(modules), imports_of(path)) if found} - {name}
        for name, path in modules.items()
    }
    circles = set()
    for name, direct in below.items():
        reached, waiting = set(), list(direct)
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += below[one]
        if name in reached:
            circles.add(name)

    assert not circles


def module_named(path: Path) -> str:
    """Return the full name of a module."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_of(modules: dict[str, Path]) -> Callable[[str], str | None]:
    """Return what finds the module that an import names, or that holds what it names."""

    def find(imported: str) -> str | None:
        for name in (imported, imported.rpartition(".")[0]):
            if name in modules:
                return name
        return None

    return find


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
