"""Fills the disk under a store, and gives space again: ``python -m … FOLDER tmpfs|limit COPIES``.

With ``tmpfs`` this process has a mount namespace of its own, in which a small disk is mounted at
the folder. With ``limit`` files must not grow any more (RLIMIT_FSIZE).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.storage.keeping import PATIENCE_S, Keeper, kept_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = {"title": str, "texts": {str: str}}
DISK_BYTES = 4 * 2**20
KEYS = 300


@contextmanager
def full(folder: Path, kind: str) -> Iterator[None]:
    """Let there be no space."""
    if kind == "limit":
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    yield
    ballast.unlink()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    between_looks = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        between_looks.wait(0.01)


def run(folder: Path, kind: str, beside: Path) -> None:
    """Keep a state before, while and after the disk is full, in one process and in the next."""
    if kind == "tmpfs":
        options = f"size={DISK_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    path = folder / "book.db"
    number = 0
    with Keeper(path, MODEL) as keeper:

        def send() -> None:
            nonlocal number
            number += 1
            keeper.send(title=str(number), texts={str(number % KEYS): f"{number:01000}"})

        for _ in range(KEYS):
            send()
        assert keeper.store.flush(PATIENCE_S)
        for round_ in range(3):
            sound = keeper.value
            failures = keeper.failures
            with full(folder, kind):
                wait_until(lambda: (send(), keeper.failures > failures)[1])  # noqa: B023
                count = keeper.failures
                wait_until(lambda: keeper.failures > count)  # noqa: B023
                assert keeper.value["title"] == str(number)
                copy = beside / f"{kind} {round_}"
                copy.mkdir()
                for one in folder.glob("book.db*"):
                    shutil.copy(one, copy) if kind == "tmpfs" else os.link(one, copy / one.name)
                assert not keeper.store.flush(0.0)
            if kind == "tmpfs":
                # what a kill would have left: it is whole, and not older than before
                value, _ = kept_in(copy / "book.db", MODEL)
                assert int(sound["title"]) <= int(value["title"]) <= number, value["title"]
                assert value["texts"].keys() == sound["texts"].keys()
            send()
            assert keeper.store.flush(PATIENCE_S)
        value = keeper.value
    assert kept_in(path, MODEL) == (value, number - 1)

    # a service may start while there is no space
    with full(folder, kind):
        keeper = Keeper(path, MODEL)
        assert keeper.value == value
        keeper.send(title="started")
        wait_until(lambda: keeper.failures > 0)
    assert keeper.store.close(PATIENCE_S)
    assert kept_in(path, MODEL) == (value | {"title": "started"}, number)

    # and end while there is none: what was kept before is kept
    keeper = Keeper(path, MODEL)
    with full(folder, kind):
        wait_until(lambda: bool(keeper.send(title="lost") and keeper.failures))
        assert not keeper.store.close(0.3)
    assert kept_in(path, MODEL)[0]["texts"] == value["texts"]
    print("all well", flush=True)  # noqa: T201


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
