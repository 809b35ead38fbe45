"""A folder for the inspectors of each test, with a path that is short enough for a socket."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the folder, which is not there yet."""
    above = Path(tempfile.mkdtemp(prefix="sfa"))
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(above / "run"))
    monkeypatch.delenv("SF_ACTORS_INSPECT", raising=False)
    yield above / "run"
    shutil.rmtree(above)
