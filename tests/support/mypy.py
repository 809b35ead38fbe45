"""Checks files with mypy, as their author would."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def strictly_checked(folder: Path, *files: str) -> list[str]:
    """Return the lines that mypy prints about files in a folder."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", *files]
    done = subprocess.run(
        [*command, "--cache-dir", str(ROOT / ".mypy_cache" / "strictly")],
        cwd=folder,
        # an editable installation is found by an import hook, which mypy does not call
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout.splitlines()
