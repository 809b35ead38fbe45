"""The flags by which a fleet is on Ray, where there is no Ray."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import QUIET, fleet_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


@pytest.fixture(autouse=True)
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in the folder of a fleet."""
    fleet_in(tmp_path, '[services.quiet]\nfile = "quiet.py"\n', quiet=QUIET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SF_ACTORS_ON", raising=False)


VERBS = (["up"], ["down"], ["ps"], ["logs"], ["restart"], ["scale", "quiet", "1"])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_without_the_extra_one_line_says_which_to_install(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    done = shell(*verb, "--on", "ray")

    assert (done.status, done.err) == (
        2,
        "sf_actors: --on ray needs the extra ray: pip install 'sf_actors[ray]'\n",
    )


def test_another_engine_is_an_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    done = shell("ps", "--on", "rya")
    assert done.status == 2
    assert "--on: expected ray, got 'rya'" in done.err
    monkeypatch.setenv("SF_ACTORS_ON", "slurm")
    assert "SF_ACTORS_ON: expected ray, got 'slurm'" in shell("down").err


def test_an_address_needs_the_flag(shell: Shell) -> None:
    done = shell("ps", "--ray-address", "127.0.0.1:1")

    assert (done.status, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("flag", ["--in-process", "--reload", "--wait=5"])
def test_what_needs_processes_of_this_machine_or_the_background_is_refused(
    shell: Shell, flag: str
) -> None:
    done = shell("up", "--on", "ray", flag)

    assert (done.status, done.err.count("\n")) == (2, 1)
