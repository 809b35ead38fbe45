"""Runs one side of a contender in its own process: ``python -m benchmarks.child TARGET JSON``."""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from importlib import import_module

from benchmarks.link import link

_PR_SET_PDEATHSIG = 1


def main(target: str, arguments: str) -> None:
    """Run the function of one side.

    :param target: ``package.module:function``; it is called with the link first
    :param arguments: its keyword arguments as JSON
    """
    _die_with_parent()
    line = link()
    module, _, name = target.partition(":")
    getattr(import_module(module), name)(line, **json.loads(arguments))


def _die_with_parent() -> None:
    """Ask Linux to end this process when the harness is killed; does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:3])
