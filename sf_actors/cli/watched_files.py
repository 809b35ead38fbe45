"""Watches files for changes, so that their content can be loaded again."""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import Change, watch

from sf_actors.cli.file_stamps import stamps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Between two looks at the files where the system reports no changes, in seconds.
LOOKING_S: Final = 0.5
#: How long folders are watched before it is looked whether they are still there, in milliseconds.
LONGEST_REST_MS: Final = 2000


class WatchedFiles:
    """Reports changes of files, in a thread of its own.

    Where the user has no inotify instances or watches left, it looks at the files time and again.

    The bytecode of a changed file is removed before the change is reported: the import system would
    take it for valid if both texts have the same size and were written in the same second.

    :param stamps: the files, with their stamps when they were loaded; changes since then are
        reported as well
    :param then: takes the paths that have changed, in that thread
    """

    def __init__(self, stamps: Mapping[str, str], then: Callable[[set[str]], None]) -> None:
        self.files = set(map(Path, stamps))
        self._stamps = dict(stamps)
        self._then = then
        self._is_over = threading.Event()
        self._has_looked = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._is_over.set()
        self._thread.join()

    def is_set(self) -> bool:
        """Return True to stop; first called once the watcher sees all changes, so look then."""
        if not self._has_looked:
            self._has_looked = True
            self._look()
        return self._is_over.is_set()

    def _run(self) -> None:
        try:
            self._watch()
        except (OSError, RuntimeError):
            # a limit of the system, which editors and other watchers of the user count towards
            while not self._is_over.wait(LOOKING_S):
                self._look()

    def _watch(self) -> None:
        while not self._is_over.is_set():
            self._has_looked = False
            # watch folders: an editor may replace a file by a new one
            folders = self._folders()
            for changes in watch(
                *folders,
                watch_filter=self._is_ours,
                stop_event=self,
                rust_timeout=LONGEST_REST_MS,
                yield_on_timeout=True,
                recursive=False,
                raise_interrupt=False,
            ):
                self._look()
                # such as by a checkout: what is watched may lie elsewhere now, or nowhere
                if self._folders() != folders or Change.deleted in dict(changes):
                    break

    def _folders(self) -> dict[Path, tuple[int, int]]:
        """Return the folders of the files that exist, by device and inode.

        A new folder may have the inode of one that was removed with all its files.
        """
        found = {}
        for folder in {path.parent for path in self.files}:
            with suppress(OSError):
                stat = folder.stat()
                found[folder] = (stat.st_dev, stat.st_ino)
        return found

    def _is_ours(self, _change: Change, path: str) -> bool:
        return path in self._stamps

    def _look(self) -> None:
        new = stamps_of(self.files)
        changed = {path for path, stamp in new.items() if stamp != self._stamps[path]}
        self._stamps = new
        for path in changed:
            _forget_bytecode(path)
        if changed:
            self._then(changed)


def _forget_bytecode(path: str) -> None:
    if path.endswith(".py"):
        try:
            Path(cache_from_source(path)).unlink(missing_ok=True)
        except OSError:
            # not our folder, so the bytecode there is its owner's concern
            return
