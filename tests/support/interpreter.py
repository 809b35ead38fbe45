"""Runs programs in interpreters of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.processes import ROOT


def printed(code: str, **env: str) -> str:
    """Return the output of a program that runs in its own interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
