"""What holds the package together: who may import whom, how long a file is, what it is called."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import pykka
import pytest

import sf_actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(sf_actors.__file__).parent

#: The floors from the lowest to the highest: what stands on one may use those below it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "file_locks", "folders", "interpreter", "version", "wording"),
    ("sync",),
    ("counters",),
    ("log",),
    ("wire",),
    ("schema",),
    ("sockets",),
    ("replication",),
    ("storage",),
    ("definition",),
    ("service_files", "user_code"),
    ("actors",),
    ("connections", "states"),
    ("lifecycle",),
    ("service", "public_types"),
    ("inspection",),
    ("fleet",),
    ("__init__", "testing"),
    ("demo",),
    ("cli",),
    ("__main__",),
)

#: Packages that know nothing of threads, sockets and clocks.
PURE = ("wire", "schema", "replication")
IMPURE = {"asyncio", "select", "socket", "subprocess", "threading", "time", "zmq", "pykka"}

#: What is used of a library although it does not offer it, and the one file that does so: a
#: version that moves one of them fails here by name.
INNER_PARTS = {
    "pykka": (
        "actors/pykka_actor.py",
        (
            "pykka._envelope:Envelope",
            "pykka.messages:_ActorStop",
            "pykka:ThreadingActor._create_actor_inbox",
            "pykka:ThreadingActor._start_actor_loop",
            "pykka:ThreadingActor._stop",
        ),
    ),
    "zmq": (
        "sockets/frames.py",
        (
            "zmq.backend:Socket",
            "zmq.backend:Socket.send",
            "zmq.backend:Socket.recv",
        ),
    ),
}
PYZMQ_INSIDE = {"backend", "sugar"}

#: What a comment says of a price: a tenth of the time, 2 us.
PRICE = re.compile(
    r"\b(half|third|quarter|fifth|tenth)\b.*\b(time|costs?|price|takes?)\b"
    r"|\b[0-9.]+ ?(ns|us|µs|ms)\b|\btimes as (much|long)\b"
)

MAX_LINES = 400
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

#: What is looked at in a file.
KINDS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Attribute)

MODULES = sorted(ROOT.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Return all that a file is made of; those of the package are asked for again and again."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, KINDS)
    ]


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Return the full names of the modules that a file imports, wherever in it that stands."""
    return tuple(imports_in(path))


def imports_in(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
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


@pytest.mark.slow
def test_imports_point_downwards_only() -> None:
    upwards = [
        f"{named(path)} imports {name}, which does not stand below it"
        for path in MODULES
        for name in imports_of(path)
        if not is_below(path, name)
    ]

    assert not upwards


def is_below(path: Path, imported: str) -> bool:
    """Return whether what a file imports stands on a floor below its own, or is no part of ours."""
    package, _, rest = imported.partition(".")
    if package != "sf_actors":
        return True
    part = rest.partition(".")[0]
    above = part if is_part(part) else "__init__"
    return above == part_of(path) or floor_of(above) < floor_of(part_of(path))


@cache
def is_part(name: str) -> bool:
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


@pytest.mark.slow
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


def test_what_is_pure_knows_no_thread_socket_or_clock() -> None:
    used = {
        named(path): {name.partition(".")[0] for name in imports_of(path)} & IMPURE
        for path in MODULES
        if part_of(path) in PURE
    }

    assert used
    assert not {path: names for path, names in used.items() if names}


@pytest.mark.slow
def test_what_each_service_imports_at_its_start_defines_no_dataclass() -> None:
    """A dataclass compiles its methods at each import; a Struct or a NamedTuple does not."""
    code = """
import sys, sf_actors.cli.command, sf_actors.service, sf_actors.inspection.inspector
import sf_actors.cli.fleet_child, sf_actors.fleet.fleet
from dataclasses import is_dataclass
modules = [module for name, module in sys.modules.items() if name.startswith("sf_actors")]
print(*{each for module in modules for each in vars(module).values() if is_dataclass(each)})
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "\n"


def test_no_file_is_two() -> None:
    files = [*MODULES, *Path(__file__).parent.rglob("*.py")]
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}

    assert not {path: count for path, count in lines.items() if count > MAX_LINES}


def test_a_price_is_stated_next_to_the_benchmark_that_prints_it() -> None:
    unproved = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            around = lines[max(0, number - 3) : number + 4]
            if PRICE.search(line) and "`shortcuts`" not in " ".join(around):
                unproved.append(f"{named(path)}:{number + 1}")

    assert not unproved


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = {part.removesuffix(".py") for path in MODULES for part in path.parts[-2:]}

    assert not parts & EMPTY_NAMES


@pytest.mark.parametrize("part", [part for _, parts in INNER_PARTS.values() for part in parts])
def test_an_inner_part_of_a_library_that_is_used_is_there(part: str) -> None:
    module, _, names = part.partition(":")

    assert attrgetter(names)(import_module(module))


@pytest.mark.parametrize("library", INNER_PARTS)
@pytest.mark.slow
def test_one_file_touches_the_inner_parts_of_a_library_and_no_others(library: str) -> None:
    file, parts = INNER_PARTS[library]
    words = {word for part in parts for word in part.replace(":", ".").split(".")}
    touched = {named(path): inner_words(library, path) for path in MODULES}

    assert {name: found for name, found in touched.items() if found} == {
        file: {word for word in words if is_inner(word)}
    }


def is_inner(word: str) -> bool:
    """Return whether a part of an imported name is none that a library offers."""
    return word in PYZMQ_INSIDE or (word.startswith("_") and not word.startswith("__"))


def inner_words(library: str, path: Path) -> set[str]:
    """Return what a file names of the inner parts of a library, imported or of its objects."""
    imported = {word for name in imports_of(path) for word in of_library(library, name)}
    inside = PYZMQ_INSIDE if library == "zmq" else private_members(pykka.ThreadingActor)
    names = {
        node.name if isinstance(node, ast.FunctionDef) else node.attr
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.Attribute)
    }
    return imported | (names & inside)


def of_library(library: str, imported: str) -> set[str]:
    first, *words = imported.split(".")
    return set(filter(is_inner, words)) if first == library else set()


def private_members(kind: type) -> set[str]:
    members = {name for base in kind.__mro__ for name in vars(base)}
    return {name for name in members if name.startswith("_") and not name.startswith("__")}


#: Locks that are taken and released without `with`.
WITHOUT_WITH = {
    "actors/inbox.py",
    "connections/waiting_call.py",
    "lifecycle/signals.py",
    "sync/event.py",
    "sync/locks.py",
    "sync/shielded.py",
    "user_code/handler_lock.py",
}


def test_locks_for_with_come_from_the_module_of_locks() -> None:
    plain = re.compile(r"threading\.R?Lock\(|from threading import .*Lock")
    others = {named(path) for path in MODULES if plain.search(path.read_text(encoding="utf-8"))}
    assert others <= WITHOUT_WITH
