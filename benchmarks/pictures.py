"""`python -m benchmarks.pictures`: makes the README's pictures from the running demonstration.

`page.svg` shows the page of `web` without JavaScript, `terminal.svg` a terminal. Both are written
next to this file.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent

#: How long the market runs before the pictures, in seconds, so that rates are steady.
WARM_S = 5.0

#: How long to wait for anything, in seconds.
PATIENCE_S = 30.0

COMMANDS = (
    ("ps",),
    ("call", "exchange/orders", "side=buy", "price=99.5", "quantity=1"),
    ("call", "exchange/orders", "side=buy", "price=cheap", "quantity=1"),
    ("watch", "order_book", "--rate", "-n", "1"),
    ("top", "--once"),
)

WIDTH = 118


@contextmanager
def _running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb until the end of the block."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "sf_actors", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield popen
    finally:
        popen.send_signal(signal.SIGTERM)
        popen.wait(PATIENCE_S)
        if popen.stderr is not None:
            popen.stderr.close()


def _said(*arguments: str) -> str:
    """Return the output of a verb, including errors."""
    ended = subprocess.run(
        [sys.executable, "-m", "sf_actors", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return ended.stdout


def _page() -> bytes:
    """Return the picture from the page, once it has figures."""
    with _running("web", "--http", "127.0.0.1:0") as web:
        found = re.search(r"http://[0-9.:]+/", web.stderr.readline() if web.stderr else "")
        if found is None:
            raise RuntimeError("web did not say where it is")
        until = monotonic() + PATIENCE_S
        while True:
            with urlopen(found[0] + "graph.svg") as answer:
                picture: bytes = answer.read()
            if b"/s" in picture or monotonic() > until:
                # leave out the path of this machine
                return picture.replace(f"{HERE.parent}/".encode(), b"")
            sleep(1.0)


def _terminal() -> str:
    """Return the picture of a terminal with some verbs and their output."""
    from rich.console import Console  # noqa: PLC0415 - for whoever makes the pictures
    from rich.text import Text  # noqa: PLC0415

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        for command in COMMANDS:
            console.print(Text("$ sf_actors " + " ".join(command), style="bold"))
            console.print(Text(_said(*command).rstrip("\n")))
        picture = console.export_svg(title="a second terminal", unique_id="terminal")
    # rich refers to fonts on a foreign server; without them, viewers use their own
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def make() -> None:
    """Write both pictures."""
    with tempfile.TemporaryDirectory(prefix="sfa") as folder:
        # show nothing else that runs on this machine
        os.environ["SF_ACTORS_RUNTIME_DIR"] = str(Path(folder) / "run")
        with _running("demo", "--seconds", "120"):
            sleep(WARM_S)
            (HERE / "page.svg").write_bytes(_page())
            (HERE / "terminal.svg").write_text(_terminal(), encoding="utf-8")


if __name__ == "__main__":
    make()
