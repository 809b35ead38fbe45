"""`python -m sf_actors`."""

from sf_actors.cli.shell import run

if __name__ == "__main__":
    run()
