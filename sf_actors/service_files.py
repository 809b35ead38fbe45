"""The package that executed service files are modules of, by name.

A process that runs a service has the module and needs nothing of this. A child of
`multiprocessing` that was not forked, and is sent a function of the file, looks for its module by
name: so it imports this, finds the file in a folder of `sys.path`, and executes it.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.definition.source import PACKAGE, execute, is_name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: What makes it a package, whose modules the finder below finds.
__path__: list[str] = []


class _ServiceFiles(MetaPathFinder, Loader):
    """Finds the service files of a parent process, and executes them; of `sys.meta_path`."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - as the import system calls it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return how a service file is loaded.

        :raises ModuleNotFoundError: it is that of no parent process, or in no folder of `sys.path`
        """
        if not name.startswith(f"{PACKAGE}."):
            return None
        if parent_process() is None:
            raise ModuleNotFoundError(
                f"{name}: the service of this file has ended, and its functions are found by "
                "nobody; put what outlives it into a module of its own",
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


def _files_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


sys.meta_path.append(_ServiceFiles())
