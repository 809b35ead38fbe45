"""One cluster of Ray for all tests, and a fleet there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.ray_cluster import RayCluster


@pytest.fixture(scope="session")
def cluster() -> RayCluster:
    """Give the cluster."""
    pytest.importorskip("ray")
    from tests.support.ray_cluster import cluster_here
    from tests.support.ray_verbs import verbs_here

    verbs_here()
    return cluster_here()
