"""Runs the command line: `python -m sf_actors`."""

import os.path
import sys

if __name__ == "__main__" and "-m" in sys.orig_argv and not sys.flags.safe_path:
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
