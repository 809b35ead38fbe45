"""`up --reload`: restarts services when their files change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sf_actors.cli.watched_files import WatchedFiles
from sf_actors.fleet.change_requests import InternalRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors.fleet.changes import FleetChanges
    from sf_actors.fleet.supervisor import Supervisor


class Reload:
    """Watches the files of each instance that is READY; in the supervisor's thread.

    :param report: shows a text to the user
    """

    def __init__(
        self, supervisor: Supervisor, changes: FleetChanges, report: Callable[[str], None]
    ) -> None:
        self._supervisor = supervisor
        self._changes = changes
        self._report = report
        self._changed: set[str] = set()
        self._watching: WatchedFiles | None = None
        self._is_restarting = False
        supervisor.watch(self._look)

    def end(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.end()

    def _look(self) -> bool:
        """Watch the files of the instances that are READY now."""
        stamps: dict[str, str] = {}
        for some in self._supervisor.files.values():
            for path, stamp in some.items():
                # if two instances loaded different versions, the file has changed for one
                stamps[path] = stamp if stamps.get(path, stamp) == stamp else ""
        files = set(map(Path, stamps))
        if files and (self._watching is None or self._watching.files != files):
            self.end()
            post = self._supervisor.post
            self._watching = WatchedFiles(stamps, lambda paths: post(lambda: self._take(paths)))
        return False

    def _take(self, paths: set[str]) -> None:
        """Note changed files; in the supervisor's thread."""
        self._changed |= paths
        self._restart()

    def _restart(self) -> None:
        if self._is_restarting or not self._changed:
            return
        changed, self._changed = self._changed, set()
        names = [name for name, paths in self._supervisor.files.items() if changed & set(paths)]
        if not names:
            return
        self._report(f"{Path(min(changed)).name} has changed: {', '.join(names)} restart")
        self._is_restarting = True
        self._changes.take(InternalRequest({"names": names}, self._report, self._done))

    def _done(self, status: int) -> None:
        self._is_restarting = False
        if status:
            self._report("not restarted, or not READY; what runs runs on; waiting for a change")
        self._restart()
