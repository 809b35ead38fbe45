"""Files that are watched for changes, so that what was loaded from them is loaded again."""

from __future__ import annotations

import threading
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchfiles import Change


class WatchedFiles:
    """Tells of changes of files, in a thread of its own.

    The bytecode of a changed file is removed before its change is told: the import system takes
    it for that of the new text where both have the same size and were written in one second.

    :param then: takes the paths that have changed, in that thread
    """

    def __init__(self, files: set[Path], then: Callable[[set[str]], None]) -> None:
        self.files = files
        self._names = {str(path) for path in files}
        self._then = then
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        # folders: an editor puts a new file in the place of the old one
        folders = {path.parent for path in self.files if path.parent.is_dir()}
        for changes in watch(
            *folders,
            watch_filter=self._is_ours,
            stop_event=self._is_over,
            recursive=False,
            raise_interrupt=False,
        ):
            paths = {path for _, path in changes}
            for path in paths:
                _forget_bytecode(path)
            self._then(paths)

    def _is_ours(self, _change: Change, path: str) -> bool:
        return path in self._names


def _forget_bytecode(path: str) -> None:
    if path.endswith(".py"):
        try:
            Path(cache_from_source(path)).unlink(missing_ok=True)
        except OSError:
            # a folder that is not ours: nobody but its owner writes bytecode there
            return
