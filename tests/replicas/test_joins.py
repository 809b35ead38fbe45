"""Replicas that join while another process publishes flat out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors.replication.status import Phase
from tests.replicas.ledger import FIELDS, Ledger
from tests.replicas.state_processes import bound_by, publishing
from tests.support.effort import effort
from tests.support.state_pair import following, model, towards

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

JOINS = effort(30, brief=8)

#: How many updates each replica is followed for.
UPDATES = 40


def test_each_of_many_joins_is_without_gap_and_double_from_its_first_value_on(
    tmp_path: Path,
) -> None:
    ledger = Ledger(7)
    published = -1
    joining = model("delta_update_in", FIELDS, high_water_mark=1_000_000)
    with publishing(tmp_path, 7, flat_out=True, ports=(0, 0)) as publisher:
        addresses = towards(bound_by(publisher))
        for _ in range(JOINS):
            with following(joining, addresses) as follower:
                updates = [follower.next_update() for _ in range(UPDATES)]
                follower.wait_for_phase(Phase.LIVE)
                status = follower.status
                assert (status.phase, status.gaps, status.resyncs) == (Phase.LIVE, 0, 0)
                assert follower.phases.empty()
            first = updates[0].value["n"]
            assert updates[0].args == updates[0].value
            assert first > published  # it goes on all the time
            published = ledger.check(updates)
            assert published == first + UPDATES - 1
            ledger.forget(first)
