"""What fails, is run again or cannot start does so in the same way wherever a fleet runs."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from tests.conformance.placements import PLACEMENTS

if TYPE_CHECKING:
    from tests.conformance.placements import Outcome

pytestmark = pytest.mark.slow

FLEET = Path(__file__).parent / "faults"

each_placement = pytest.mark.parametrize("placement", PLACEMENTS)


@cache
def outcome_of(placement: str) -> Outcome:
    """Run the fleet once in a placement."""
    with TemporaryDirectory() as there:
        folder = Path(there) / "faults"
        shutil.copytree(FLEET, folder)
        return PLACEMENTS[placement].run(folder)


def printed_by(outcome: Outcome, instance: str, stream: str) -> list[str]:
    return [
        line["event"]
        for line in outcome.lines
        if line["instance"] == instance and line.get("stream") == stream
    ]


@each_placement
def test_a_main_that_ends_with_a_text_gives_it_to_standard_error_and_ends_the_fleet_with_1(
    placement: str,
) -> None:
    outcome = outcome_of(placement)

    assert outcome.status == 1
    assert printed_by(outcome, "ender", "stderr") == ["that was all"]
    assert "sf_actors: ender: ended with 1" in outcome.words


@each_placement
def test_what_fails_is_run_again_after_longer_and_longer(placement: str) -> None:
    outcome = outcome_of(placement)

    assert printed_by(outcome, "flaky", "stdout") == ["run 1", "run 2", "run 3", "run 4"]
    said = [word for word in outcome.words if word.startswith("sf_actors: flaky: ended with")]
    assert said == [
        "sf_actors: flaky: ended with 1; restarts in 0.2 s",
        "sf_actors: flaky: ended with 1; restarts in 0.4 s",
        "sf_actors: flaky: ended with 4; restarts in 0.8 s",
    ]
    told = printed_by(outcome, "flaky", "stderr")
    assert "the second" in told
    assert "ValueError: the first" in told


@each_placement
def test_what_cannot_start_is_not_tried_again_and_stops_nothing_else(placement: str) -> None:
    outcome = outcome_of(placement)

    reason = "ended with 2: it could not start, and is not tried again"
    assert outcome.words.count(f"sf_actors: broken: {reason}") == 1
    assert f"sf_actors: broken failed: {reason}" in outcome.words
    assert "RuntimeError: it cannot start" in printed_by(outcome, "broken", "stderr")
