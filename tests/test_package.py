"""The package itself: its names, which are imported when they are first used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import sf_actors
from sf_actors.version import VERSION
from tests.inspection.conftest import folder
from tests.support.interpreter import printed
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["folder"]

RUN = """
from sf_actors.service import Service
from sf_actors.testing import module_of
import os
import re
service = Service(module_of(main=lambda stopping: stopping.wait(10)), console_loglevel=None)
service.run_service_as_main()
print(len(os.listdir(os.environ['SF_ACTORS_RUNTIME_DIR'])))
service.stop_service()
print(len(os.listdir(os.environ['SF_ACTORS_RUNTIME_DIR'])))
"""

CHECKED = """
import sys
from sf_actors.cli.shell import main
print(main(["check", "--fleet", "sf_actors/demo/fleet.toml"]), "zmq" in sys.modules)
"""
IMPORTED = """
print([name for name in ("asyncio", "structlog") if name in sys.modules])
"""


@pytest.mark.parametrize("name", sf_actors.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(sf_actors, name) is not None
    assert name in dir(sf_actors)


def test_a_name_that_is_none_of_ours_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Servic'"):
        sf_actors.Servic  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.slow
def test_the_errors_are_reached_through_the_package_alone() -> None:
    assert printed(
        "import sf_actors; print(sf_actors.errors.UsageError is sf_actors.UsageError)"
    ) == ("True")


@pytest.mark.slow
def test_nothing_is_imported_before_it_is_used() -> None:
    assert printed("import sf_actors, sys; print('zmq' in sys.modules)") == "False"
    assert printed("from sf_actors import *; print(Service.__name__)") == "Service"


@pytest.mark.slow
def test_a_service_without_coroutine_functions_imports_neither_asyncio_nor_structlog(
    folder: Path,
) -> None:
    folder.mkdir(mode=0o700)

    assert printed(RUN.replace("import os", "import os, sys") + IMPORTED).split()[-1] == "[]"


@pytest.mark.slow
def test_a_fleet_without_keys_is_checked_without_zeromq() -> None:
    assert printed(CHECKED) == "0 False"


@pytest.mark.slow
def test_a_service_from_its_own_module_is_looked_at_if_the_environment_asks(
    folder: Path,
) -> None:
    folder.mkdir(mode=0o700)

    assert printed(RUN, SF_ACTORS_INSPECT="1").split() == ["1", "0"]
    assert printed(RUN, SF_ACTORS_INSPECT="0").split() == ["0", "0"]


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    versions = re.findall(
        r"^(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d\n-+$",
        (ROOT / "CHANGELOG.rst").read_text(),
        re.MULTILINE,
    )

    assert versions[0] == VERSION
    assert versions[-1] == "0.1.0"
