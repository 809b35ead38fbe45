"""What failed in other tests of the process is none of these tests' matter."""

from __future__ import annotations

import pytest

from sf_actors.lifecycle.residents import RESIDENTS


@pytest.fixture(autouse=True)
def _no_failures_of_others() -> None:
    RESIDENTS.failures.clear()
