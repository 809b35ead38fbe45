"""Nobody listens, and the kernel connects a socket to itself: it gave it the port that it asks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import ROOT


def can_have_a_network() -> bool:
    """Return True if a process may have a network of its own."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_who_connects_where_nobody_listens_never_keeps_the_port_from_the_server() -> None:
    if not can_have_a_network():
        pytest.skip("no process may have a network of its own here")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "tests.connections.to_itself"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "all well" in done.stdout, done.stderr
