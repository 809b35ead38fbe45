"""Runs the command line: `python -m sf_actors`."""

import sys

try:
    from sf_actors.cli.shell import run
except KeyboardInterrupt:
    # a traceback of imports would help nobody
    sys.exit(130)

if __name__ == "__main__":
    run()
