"""Executes a service file in a new module each time."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from functools import lru_cache
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from zlib import crc32

from sf_actors.definition.local_modules import LocalModules
from sf_actors.errors import DefinitionError, UsageError
from sf_actors.sync.locks import new_lock
from sf_actors.wording import nearest, shown

if TYPE_CHECKING:
    from types import CodeType

#: The package that the modules belong to; only child processes import it.
PACKAGE: Final = "sf_actors.service_files"

#: What this package, or what it needs, imports when a service is there already: with the first
#: logger, coroutine, store, repeated request, host name or HTTP request.
_LATER: Final = frozenset(
    {
        "asyncio",
        "base64",
        "bz2",
        "calendar",
        "email",
        "hashlib",
        "html",
        "http",
        "locale",
        "lzma",
        "shutil",
        "sqlite3",
        "ssl",
        "stringprep",
        "structlog",
        "subprocess",
        "tempfile",
        "unicodedata",
    }
)

_numbers: Final = itertools.count(1)

#: How many compiled files are cached.
MAX_COMPILED = 64


class ImportPath:
    """Folders at the head of ``sys.path``, as long as services need them; thread-safe.

    Services share ``sys.path``, so a folder is removed when its last user releases it. A folder
    that was there before is left alone.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._holders: dict[str, int] = {}

    def hold(self, folder: str) -> bool:
        """Make a folder importable; return True if it must be released once."""
        with self._lock:
            if folder not in self._holders:
                if folder in sys.path:
                    return False
                sys.path.insert(0, folder)
            self._holders[folder] = self._holders.get(folder, 0) + 1
        return True

    def release(self, folder: str) -> None:
        """End what `hold` began."""
        with self._lock:
            self._holders[folder] -= 1
            if self._holders[folder]:
                return
            del self._holders[folder]
            if folder in sys.path:  # user code may have removed it
                sys.path.remove(folder)


_import_path: Final = ImportPath()


class ExecutedFile:
    """An executed service file and its module, until `unload`.

    The module is in ``sys.modules`` under a unique name, since pickle, dataclasses and typing look
    there; it is never ``__main__``. Child processes find the file by that name. The file can import
    from its own folder and from the working directory.

    :param path: the file, relative to the working directory or absolute, with any suffix
    :raises DefinitionError: the file is missing or unreadable, it or a module that it imports is
        not valid Python, or a module of the process conflicts with one in these folders; other
        exceptions of the file are raised as they are
    """

    def __init__(self, path: Path) -> None:
        _require_file(path)
        full = path.absolute()
        code = _compiled(full)
        self.module = _new_module(_new_name(full), str(full))
        self._lock = new_lock()
        self._local: LocalModules | None = None
        self._held: list[str] = []
        try:
            local = self._prepare(full)
            _execute(code, self.module)
            # another service may meanwhile have imported a module with the same name
            local.check()
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        """Undo the changes to ``sys``; idempotent, any thread. The module stays usable."""
        with self._lock:
            local, self._local = self._local, None
            held, self._held = self._held, []
        sys.modules.pop(self.module.__name__, None)
        for folder in reversed(held):
            _import_path.release(folder)
        if local is not None:
            local.release()

    def _prepare(self, file: Path) -> LocalModules:
        folders = [file.parent]
        with contextlib.suppress(FileNotFoundError):  # a working directory that was deleted
            folders.append(Path.cwd())
        local = LocalModules(file, folders)
        # before it holds anything, so that no interrupt comes in between
        self._local = local
        _import_first(local)
        local.hold()
        for folder in map(str, reversed(folders)):
            if _import_path.hold(folder):
                self._held.append(folder)
        sys.modules[self.module.__name__] = self.module
        return local


def execute(path: Path, module: ModuleType) -> None:
    """Execute a parent process's service file in a module, in a child process.

    :raises DefinitionError: it is not valid Python any more
    """
    _execute(_compiled(path), module)


def _import_first(local: LocalModules) -> None:
    """Import what a file in the service's folders would later be taken for, itself included.

    A file that the service imports, or names in a text, stays what it means.
    """
    for name in _LATER & local.names:
        place = local.place_of(name)
        spec = None if place is None or name in sys.modules else PathFinder.find_spec(name)
        if spec is None or spec.origin == str(place):
            continue
        if not (local.imports(name) or local.names_in_text(name)):
            # an interpreter may have been built without it, and then nothing needs it
            with contextlib.suppress(ImportError):
                import_module(name)


def _new_name(path: Path) -> str:
    """Return a unique name for a module, from a number and a hash of its path."""
    return f"{PACKAGE}.{_stem(path)}_{next(_numbers)}_{_mark(path)}"


def is_name_of(name: str, path: Path) -> bool:
    """Return True if a module with this name was made from the file with this absolute path."""
    head, _, mark = name.removeprefix(f"{PACKAGE}.").rpartition("_")
    return head.rpartition("_")[0] == _stem(path) and mark == _mark(path)


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".py")
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def _mark(path: Path) -> str:
    return f"{crc32(os.fsencode(path)):08x}"


def _require_file(path: Path) -> None:
    try:
        if path.is_file():
            return
        if path.is_dir():
            inside = path / "service.py"
            hint = f"; name the file, such as {str(inside)!r}" if inside.is_file() else ""
            raise DefinitionError(f"expected a service file, got the folder {str(path)!r}{hint}")
        if path.exists():
            raise DefinitionError(
                f"expected a service file, got {str(path)!r}, which is no regular file"
            )
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    except (OSError, ValueError) as exc:  # no permission, a NUL in the path
        raise DefinitionError(f"cannot read the service file {str(path)!r}: {exc}") from exc
    raise DefinitionError(f"there is no service file {str(path)!r}{nearest(path.name, beside)}")


def _compiled(path: Path) -> CodeType:
    """Compile the file's current content; cached bytecode might be out of date."""
    try:
        source = path.read_bytes()
    except OSError as exc:
        raise DefinitionError(f"cannot read the service file {str(path)!r}: {exc}") from exc
    if b"\0" in source:  # Python's own error names neither file nor line
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        raise DefinitionError(f"{path}:{line}: SyntaxError: source code cannot contain null bytes")
    try:
        return _code_of(source, str(path))
    except SyntaxError as exc:
        raise DefinitionError(_syntax_problem(exc)) from exc


@lru_cache(MAX_COMPILED)
def _code_of(source: bytes, path: str) -> CodeType:
    """Compile a text, or return the cached code, which is immutable."""
    code: CodeType = compile(source, path, "exec", dont_inherit=True)
    return code


def _new_module(name: str, path: str) -> ModuleType:
    module = module_from_spec(ModuleSpec(name, SourceFileLoader(name, path), origin=path))
    # no spec with a location: it would name a bytecode file, which is never written
    module.__file__ = path
    # not in a package, although its name has dots: relative imports must fail
    module.__package__ = ""
    return module


def _execute(code: CodeType, module: ModuleType) -> None:
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the user's file is what this is for
    except SyntaxError as exc:
        if exc.filename is None or exc.filename.startswith("<"):
            raise  # from a text that the file itself evaluates
        raise DefinitionError(_syntax_problem(exc)) from exc


def _syntax_problem(error: SyntaxError) -> str:
    place = f"{error.filename}:{error.lineno}" if error.lineno else str(error.filename)
    return f"{place}: {type(error).__name__}: {' '.join(str(error.msg).split())}"


def source_of(
    path: str | os.PathLike[str] | ModuleType | None, module: ModuleType | None
) -> str | os.PathLike[str] | ModuleType:
    """Return whichever of `service_path` and `service_module` is given.

    :raises UsageError: none or both are given, or the value is neither a path nor a module
    """
    source = module if path is None else path
    if source is None or (path is not None and module is not None):
        raise UsageError("Service: expected service_path or service_module, one of them")
    if not isinstance(source, str | os.PathLike | ModuleType):
        raise UsageError(
            f"Service: expected the path of a service file, or a module, got {shown(source)}"
        )
    return source
