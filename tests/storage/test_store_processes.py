"""Processes that keep a state are killed, find no space, and read very many keys."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.storage.keeping import Keeper, kept_in
from tests.support.effort import effort
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

KILLS = effort(200, brief=20, variable="SF_ACTORS_KILLS")

#: Keys of the state whose pauses are measured; a million for the figure.
KEYS = effort(300_000, brief=60_000, variable="SF_ACTORS_KEYS")


def output_of(*command: object) -> str:
    """Return what a process prints, which ends well."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def can_mount() -> bool:
    """Return True if a process may have mounts of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_a_process_killed_at_any_moment_leaves_the_value_after_some_update(
    tmp_path: Path,
) -> None:
    seed = random.randrange(2**32)
    print(f"{seed=}")  # noqa: T201
    told = output_of(
        sys.executable, "-m", "tests.storage.killed", tmp_path / "book.db", KILLS, seed
    )
    print(told)  # noqa: T201


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_state_goes_on_without_space_and_is_kept_whole_when_there_is_some(
    tmp_path: Path, kind: str
) -> None:
    if kind == "tmpfs" and not can_mount():
        pytest.skip("no process may have mounts of its own here")
    disk, copies = tmp_path / "disk", tmp_path / "copies"
    disk.mkdir()
    copies.mkdir()
    start = ("unshare", "-rm") if kind == "tmpfs" else ()

    told = output_of(*start, sys.executable, "-m", "tests.storage.full_disk", disk, kind, copies)

    assert "all well" in told
    lines = [line for line in told.splitlines() if "the store cannot be written" in line]
    # one of each of the processes' stores, not one of each attempt
    assert 1 <= len(lines) <= 4, told
    assert all('"level": "error"' in line for line in lines)


def test_a_store_of_very_many_keys_stops_nothing_else_for_long(tmp_path: Path) -> None:
    # in a process of its own: a collection of garbage looks at all that pytest holds as well
    for attempt in range(3):
        path = tmp_path / f"{attempt}.db"
        told = output_of(sys.executable, "-m", "tests.storage.start_pauses", path, KEYS)
        at_once_ms, longest_ms = map(float, told.splitlines()[-1].split())
        # 50 ms on a machine with nothing else to do, as with the snapshots of large states; a
        # pause that the machine makes does not come each time
        if longest_ms < max(50, at_once_ms / 10):
            return
    pytest.fail(told)


def test_the_end_of_the_interpreter_in_a_child_of_a_fork_changes_nothing(tmp_path: Path) -> None:
    """Unlike `os._exit`, it frees what the child has of the parent's connection."""
    path = tmp_path / "book.db"
    program = (
        "import os, sys\n"
        "from tests.storage.keeping import Keeper\n"
        "keeper = Keeper(sys.argv[1], {'title': str})\n"
        "for n in range(100):\n"
        "    keeper.send(title=str(n))\n"
        "    assert keeper.store.flush(30)\n"
        "    if n % 10 == 0 and not os.fork():\n"
        "        sys.exit()\n"
        "    os.path.getsize(sys.argv[1] + '-wal')\n"
        "    while n % 10 == 0 and os.wait()[1]:\n"
        "        raise SystemExit('a child failed')\n"
        "os.path.getsize(sys.argv[1] + '-wal')\n"
        "keeper.store.close(30)\n"
    )
    output_of(sys.executable, "-c", program, path)

    assert kept_in(path, {"title": str}) == ({"title": "99"}, 99)
    with Keeper(path, {"title": str}) as keeper:
        keeper.send(title="on")
