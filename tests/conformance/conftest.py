"""The cluster of Ray, which is there before the first test that needs it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.conformance.placements import RAY
from tests.support.ray_cluster import cluster_here


@pytest.fixture(scope="session", autouse=True)
def cluster(request: pytest.FixtureRequest) -> None:
    """Have it there where a test runs on it: what a test itself opens it has to close."""
    on_ray = (
        item for item in request.session.items if f"[{RAY}" in item.name or f"-{RAY}]" in item.name
    )
    if find_spec("ray") and any(on_ray):
        cluster_here()
