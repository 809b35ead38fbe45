"""The modules in the folders of service files: a service gets its own ones, or fails to load.

A process can have only one module with a name. Two services whose folders both have a `common.py`
would silently share the one that was imported first.
"""

from __future__ import annotations

import ast
import os
import sys
import time
from functools import lru_cache
from importlib.machinery import FrozenImporter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sf_actors.errors import DefinitionError
from sf_actors.sync.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    #: the number of leading dots, 0 for an absolute import, and the dotted name
    Import = tuple[int, str]

#: Our own package, which a service file always means, since it is already imported.
OUR_OWN: Final = __name__.partition(".")[0]

#: Names that mean the same for all services of a process.
_THE_SAME: Final = frozenset({OUR_OWN, "__main__"})

#: How many files' imports are cached.
MAX_READ: Final = 256

#: How many listings of folders are cached.
MAX_LISTINGS: Final = 64

#: Age of a folder's last change from which on its listing is cached, in nanoseconds: a later change
#: has another time, however coarse the file system's clock is.
_SETTLED_NS: Final = 2_000_000_000

_lock: Final = new_lock()
#: the loaded services, by the folders that they import from
_loaded: Final[dict[tuple[str, ...], dict[LocalModules, None]]] = {}
#: the names in folders, each with the folder's stamp; replaced by whoever finds another one
_listings: Final[dict[str, tuple[tuple[int, int, int], frozenset[str]]]] = {}


class LocalModules:
    """The modules that one service file finds in its own folders.

    :param file: the service file
    :param folders: the folders that it imports from first, in this order
    :ivar names: the possible names of modules there
    """

    def __init__(self, file: Path, folders: Sequence[Path]) -> None:
        self.file = file
        self._folders = tuple(map(str, folders))
        self.names = _union(*map(_names_in, self._folders))
        self._imported: set[str] | None = None
        #: the imported modules that do not conflict, and their files
        self._harmless: dict[str, str] = {}
        #: those that are ours, which the services of these folders need to find out once
        self._ours = _found_in(self._folders, self.names)

    def hold(self) -> None:
        """Claim the names of these modules against other services, until `release`.

        :raises DefinitionError: a module that the process has imported conflicts, or one of another
            loaded service
        """
        with _lock:
            self._require_own()
            for folders, others in _loaded.items():
                if folders == self._folders:
                    self._folders = folders
                else:
                    self._require_apart(others)
            _loaded.setdefault(self._folders, {})[self] = None

    def release(self) -> None:
        """End what `hold` began; idempotent, any thread."""
        with _lock:
            loaded = _loaded.get(self._folders, {})
            loaded.pop(self, None)
            if not loaded:
                _loaded.pop(self._folders, None)

    def check(self) -> None:
        """Check that the service got its own modules; any thread.

        :raises DefinitionError: another service has meanwhile imported one with the same name
        """
        with _lock:
            self._require_own()

    def imports(self, name: str) -> bool:
        """Return True if the file, or a module of its folders that it imports, imports a name."""
        if self._imported is None:
            self._imported = set()
            waiting = [self.file]
            seen = set(waiting)
            while waiting:
                file = waiting.pop()
                for level, dotted in _imports_of(file):
                    if not level:
                        self._imported.add(dotted.partition(".")[0])
                    found = set(self._files_of(file, level, dotted)) - seen
                    seen |= found
                    waiting += found
        return name in self._imported

    def names_in_text(self, name: str) -> bool:
        """Return True if the file names a module in a text, as external targets are named."""
        try:
            return name in _named_in(self.file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return False

    def place_of(self, name: str) -> Path | None:
        """Return the file of a module in these folders, if there is one."""
        places = (_place(folder, name) for folder in self._folders)
        return next((place for place in places if place is not None), None)

    def _require_own(self) -> None:
        for name in self.names & sys.modules.keys():
            file = getattr(sys.modules.get(name), "__file__", None)
            if not isinstance(file, str) or name in _THE_SAME:
                continue
            if file in (self._ours.get(name), self._harmless.get(name)):
                continue
            if self.place_of(name) == Path(file):
                self._ours[name] = file
                continue
            if self._lacks(name, Path(file)):
                raise self._refusal(name, Path(file), "the process has imported")
            self._harmless[name] = file

    def _require_apart(self, others: Iterable[LocalModules]) -> None:
        """Refuse modules that conflict with those of other services, which share their folders."""
        first = next(iter(others))
        for name in self.names & first.names:
            theirs = first.place_of(name)
            if theirs is not None and self._lacks(name, theirs):
                for other in others:
                    if other.imports(name):
                        raise self._refusal(name, theirs, f"the service {other.file} imports")

    def _lacks(self, name: str, other: Path) -> bool:
        """Return True if the service imports its own module of a name, but would get another."""
        own = self.place_of(name)
        return (
            own is not None
            and not _is_same(own, other)
            and not _comes_first(name)
            and self.imports(name)
        )

    def _refusal(self, name: str, other: Path, whose: str) -> DefinitionError:
        return DefinitionError(
            f"{self.file}: expected to import {name!r} from {self.place_of(name)}, but {whose} "
            f"{other}, and a process has one module of a name; rename one of the two, or run the "
            "services in processes of their own"
        )

    def _files_of(self, importing: Path, level: int, dotted: str) -> Iterator[Path]:
        """Yield the local files that an import executes."""
        first, *rest = dotted.split(".")
        if level > len(importing.parents):
            return
        place = _place(importing.parents[level - 1], first) if level else self.place_of(first)
        while place is not None:
            yield place
            if place.name != "__init__.py" or not rest:
                return
            place = _place(place.parent, rest.pop(0))


def _names_in(folder: str) -> frozenset[str]:
    """Return the possible names of modules and packages in a folder."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - in each start of a service
        stamp = (found.st_dev, found.st_ino, found.st_mtime_ns)
        seen = _listings.get(folder)
        if seen is not None and seen[0] == stamp:
            return seen[1]
        began_ns = time.time_ns()
        entries = os.listdir(folder)  # noqa: PTH208 - a folder may have thousands
    except OSError:
        return frozenset()
    stems = (entry.removesuffix(".py") for entry in entries)
    names = frozenset(stem for stem in stems if stem.isidentifier())
    if began_ns - found.st_mtime_ns > _SETTLED_NS:
        if len(_listings) >= MAX_LISTINGS:
            _listings.clear()
        _listings[folder] = stamp, names
    return names


@lru_cache(MAX_LISTINGS)
def _union(*names: frozenset[str]) -> frozenset[str]:
    """Return the union, which the services of the same folders share."""
    return names[0].union(*names[1:])


@lru_cache(MAX_LISTINGS)
def _found_in(_folders: tuple[str, ...], _names: frozenset[str]) -> dict[str, str]:
    """Return what is known of these modules in these folders: the files by the names."""
    return {}


def _place(folder: Path | str, name: str) -> Path | None:
    """Return the file of a module or package in a folder, if there is one."""
    # as text: most names are not there, and a path takes longer to make than to look for
    for place in (f"{folder}/{name}/__init__.py", f"{folder}/{name}.py"):
        if os.path.isfile(place):  # noqa: PTH113 - see above
            return Path(place)
    return None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def _comes_first(name: str) -> bool:
    """Return True if the interpreter has a built-in or frozen module of a name, which wins."""
    return name in sys.builtin_module_names or FrozenImporter.find_spec(name) is not None


def _imports_of(file: Path) -> frozenset[Import]:
    try:
        return _imports_in(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        # the error is reported when the file is executed
        return frozenset()


@lru_cache(MAX_READ)
def _imports_in(source: bytes) -> frozenset[Import]:
    """Return all imports in a source text, at any level."""
    found: set[Import] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{node.module}." if node.module else ""
            found.update((node.level, f"{module}{alias.name}") for alias in node.names)
    return frozenset(found)


@lru_cache(MAX_READ)
def _named_in(source: bytes) -> frozenset[str]:
    """Return what texts of a source text may mean: `module.function`, `import_module("module")`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            first, dot, rest = node.value.partition(".")
            if dot and rest.replace(".", "").isidentifier():
                found.add(first)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            text = getattr(node.args[0], "value", None)
            if called in {"import_module", "__import__"} and isinstance(text, str):
                found.add(text.partition(".")[0])
    return frozenset(found)
