"""`python -m sf_actors`."""

from sf_actors.cli.command import run

if __name__ == "__main__":
    run()
