"""A shared connection of its own for each test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.shared_connections import Shared, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    with sharing(f"ipc://{tmp_path}/it") as shared:
        yield shared
