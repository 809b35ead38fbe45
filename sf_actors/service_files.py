"""The package whose submodules are the executed service files.

A process that runs a service has its module already. A child of `multiprocessing` that was not
forked, and is sent a function of the file, looks up the module by name: it imports this package,
finds the file in a folder of `sys.path`, and executes it.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing import current_process, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.definition.source import PACKAGE, execute, is_name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: Makes this module a package; the finder below finds its submodules.
__path__: list[str] = []


class _ServiceFiles(MetaPathFinder, Loader):
    """Finds and executes the service files of a parent process; an entry of `sys.meta_path`."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - as the import system calls it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return the spec of a service file's module.

        :raises ModuleNotFoundError: there is no parent process, or no folder of `sys.path` has the
            file
        """
        if not name.startswith(f"{PACKAGE}."):
            return None
        if not _is_child():
            raise ModuleNotFoundError(
                f"{name}: the service of this file has ended, and its functions can no longer be "
                "found; put what outlives it into a module of its own",
                name=name,
            )
        for folder in sys.path:
            for file in _files_in(Path(folder)):
                if is_name_of(name, file):
                    return ModuleSpec(name, self, origin=str(file))
        raise ModuleNotFoundError(
            f"{name}: no folder of sys.path has this service file; put what other processes are "
            "to call into a module of its own, which they can import",
            name=name,
        )

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the file."""
        spec = module.__spec__
        if spec is not None and spec.origin is not None:
            module.__file__ = spec.origin
            execute(Path(spec.origin), module)


def _is_child() -> bool:
    """Return True in a child of `multiprocessing`."""
    # a child has its parent only after it has read the function that it runs
    return parent_process() is not None or getattr(current_process(), "_inheriting", False)


def _files_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


sys.meta_path.append(_ServiceFiles())
