"""A folder for the inspectors of each test, and the shell in the test's own process."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from sf_actors.cli import shell as shell_
from tests.inspection.conftest import folder  # noqa: F401 - a fixture of these tests too
from tests.support.read_here import services_are_read_here  # noqa: F401 - likewise
from tests.support.shell import Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Runs a verb: its status, output and errors.
    Shell = Callable[..., Ran]


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """Give what runs a verb in this process."""

    def run(*argv: str) -> Ran:
        capfd.readouterr()
        status = shell_.main(argv)
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    # verbs raise it
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield run
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
