"""Runs the command line: `python -m sf_actors`."""

import os.path
import sys

# nothing is imported before the working directory is out of sys.path
try:
    here = os.getcwd()  # noqa: PTH109
except OSError:  # it was removed
    here = ""

if __name__ == "__main__" and not sys.flags.safe_path and sys.path[0] == here:
    # -m puts the working directory first, where a service file named queue.py or signal.py would
    # take the place of the standard library's module; see `interpreter`
    del sys.path[0]
    root = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib imports fnmatch, re, …
    if root not in sys.path:
        sys.path.append(root)

try:
    from sf_actors.cli.shell import run
except KeyboardInterrupt:
    # a traceback of imports would help nobody
    sys.exit(130)

if __name__ == "__main__":
    run()
