"""Two fleets, the same wherever they run: results, lines, exit status, and what fails.

They are in one file so that one worker has the cluster of Ray for both.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.placements import PLACEMENTS, RAY
from tests.support.effort import IS_FULL

if TYPE_CHECKING:
    from tests.conformance.placements import Outcome

pytestmark = pytest.mark.slow

FLEET = Path(__file__).parent / "fleet"
#: What fails, is run again or cannot start does so in the same way.
FAULTS = Path(__file__).parent / "faults"
#: With what `main` of the fleet ends, and so the fleet.
STATUSES = (0, 3) if IS_FULL else (3,)
#: The placement that the others are held against.
REFERENCE = "processes"

#: Fields of a line that may differ: times, addresses, and what is drawn by chance.
OWN = {"timestamp", "address", "addresses", "pid", "workflow_id"}
#: Lines that a machine may add that is too busy to send a heartbeat in time.
OF_A_BUSY_MACHINE = {"publisher does not answer", "publisher answers"}

RESULT = {
    "orders": [{"orders": 1}, {"orders": 2}, {"orders": 3}, {"orders": 4}],
    "own count": 4,
    "refused": ["Refused"],
    "failed": ["ValueError"],
    "prices": {"1": "3.50", "2": "3.50", "3": "3.50"},
    "heard": {"news": "open", "ticks": "paris"},
    "known": {
        "venue": "North",
        "bids": {"1.4": 1, "1.25": 7},
        "orders": 4,
        "heard": ["london"],
    },
}


@cache
def outcome_of(placement: str, status: int) -> Outcome:
    """Run the fleet once in a placement."""
    with TemporaryDirectory() as there:
        folder = Path(there) / "conformance"
        shutil.copytree(FLEET, folder)
        (folder / "trader.json").write_text(json.dumps({"status": status}))
        outcome = PLACEMENTS[placement].run(folder)
    assert outcome.lines, outcome.words
    return outcome


@cache
def faults_in(placement: str) -> Outcome:
    """Run the fleet of faults once in a placement."""
    with TemporaryDirectory() as there:
        folder = Path(there) / "faults"
        shutil.copytree(FAULTS, folder)
        return PLACEMENTS[placement].run(folder)


def printed_by(outcome: Outcome, instance: str, stream: str) -> list[str]:
    return [
        line["event"]
        for line in outcome.lines
        if line["instance"] == instance and line.get("stream") == stream
    ]


def alike(outcome: Outcome) -> dict[str, set[str]]:
    """Return the lines of each instance, without what may differ."""
    lines = defaultdict(set)
    for line in outcome.lines:
        if line["event"] in OF_A_BUSY_MACHINE:
            continue
        lines[line["instance"]].add(json.dumps(without_places(line), sort_keys=True))
    return dict(lines)


def without_places(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line without times and addresses, and files in tracebacks without their folders."""
    return {
        key: re.sub(r'File "[^"]*/', 'File "', value) if isinstance(value, str) else value
        for key, value in line.items()
        if key not in OWN
    }


needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
CHOICES = {name: pytest.param(name, marks=needs_ray if name == RAY else ()) for name in PLACEMENTS}
each_placement = pytest.mark.parametrize("placement", CHOICES.values())
each_other = pytest.mark.parametrize(
    "placement", [choice for name, choice in CHOICES.items() if name != REFERENCE]
)
each_status = pytest.mark.parametrize("status", STATUSES)


@each_placement
@each_status
def test_its_main_gets_the_same_results_everywhere(placement: str, status: int) -> None:
    outcome = outcome_of(placement, status)

    (printed,) = (
        line["event"]
        for line in outcome.lines
        if line["instance"] == "trader" and line["event"].startswith("{")
    )
    assert json.loads(printed) == RESULT


@each_placement
@each_status
def test_its_exit_status_is_that_of_main(placement: str, status: int) -> None:
    assert outcome_of(placement, status).status == status


@each_other
@each_status
def test_its_lines_are_the_same_but_for_times_and_addresses(placement: str, status: int) -> None:
    found, expected = alike(outcome_of(placement, status)), alike(outcome_of(REFERENCE, status))

    assert found.keys() == expected.keys()
    for instance, lines in expected.items():
        assert found[instance] == lines, instance


@each_placement
def test_whatever_is_printed_or_logged_is_a_line_of_its_instance(placement: str) -> None:
    lines = outcome_of(placement, 3).lines
    of_second = {
        (line["level"], line["event"], line.get("stream") or line.get("logger"))
        for line in lines
        if line["instance"] == "pricer#2"
    }

    assert {
        ("info", "here is 2 ", "stdout"),
        ("info", "in two lines", "stdout"),
        ("info", "as bytes", "stdout"),
        ("info", "from a thread", "stdout"),
        ("info", "to standard error", "stderr"),
        ("warning", "of a library", "library"),
    } <= of_second
    assert any(line["event"] == "an end without a line" for line in lines)
    assert not any(line["event"] == "this level is not shown" for line in lines)


@each_placement
def test_it_says_who_is_ready_in_order_and_why_it_failed(placement: str) -> None:
    words = outcome_of(placement, 3).words
    ready = [word.split()[1].removesuffix(":") for word in words if word.endswith(": READY")]

    assert set(ready) == {
        *("bus", "exchange", "paris", "london", "keeper", "listener", "trader"),
        *("pricer#1", "pricer#2", "pricer#3"),
    }
    assert ready[-1] == "trader"
    assert ready.index("bus") < ready.index("exchange") < ready.index("keeper")
    assert "sf_actors: trader failed: ended with 3" in words


def test_the_fleet_names_no_address() -> None:
    texts = [path.read_text("utf-8") for path in FLEET.iterdir() if path.suffix != ".pyc"]

    assert not any(re.search(r"127\.0|ipc:|tcp:|inproc:", text) for text in texts)


@each_placement
def test_a_main_that_ends_with_a_text_gives_it_to_standard_error_and_ends_the_fleet_with_1(
    placement: str,
) -> None:
    outcome = faults_in(placement)

    assert outcome.status == 1
    assert printed_by(outcome, "ender", "stderr") == ["that was all"]
    assert "sf_actors: ender: ended with 1" in outcome.words


@each_placement
def test_what_fails_is_run_again_after_longer_and_longer(placement: str) -> None:
    outcome = faults_in(placement)

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
    outcome = faults_in(placement)

    reason = "ended with 2: it could not start, and is not tried again"
    assert outcome.words.count(f"sf_actors: broken: {reason}") == 1
    assert f"sf_actors: broken failed: {reason}" in outcome.words
    assert "RuntimeError: it cannot start" in printed_by(outcome, "broken", "stderr")
