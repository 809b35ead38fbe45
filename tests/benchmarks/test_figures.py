from __future__ import annotations

import json

import pytest

from benchmarks.figures import AIM, MET, MISSED, Answer, Target


@pytest.mark.parametrize(
    ("target", "figure", "verdict"),
    [
        (Target(1.5, 1.25), 1.6, MISSED),
        (Target(1.5, 1.25), 1.5, MET),
        (Target(1.5, 1.25), 1.2, AIM),
        (Target(0.35, 0.6), 0.3, MISSED),
        (Target(0.35, 0.6), 0.35, MET),
        (Target(0.35, 0.6), 0.7, AIM),
        (Target(2, 2), 2, AIM),
        (Target(2, 2), 3, MISSED),
    ],
)
def test_a_figure_is_judged_by_its_target(target: Target, figure: float, verdict: str) -> None:
    assert target.judge(figure) == verdict


def measured() -> Answer:
    answer = Answer("rpc", "an echo")
    answer.add("raw", [100.0, 100.0, None], "us")
    answer.add("ours", [150.0, 160.0, 10.0], "us", is_ours=True)
    return answer


def test_a_comparison_is_the_median_of_the_ratios_of_each_round() -> None:
    answer = measured()
    answer.compare("ours", "raw", Target(1.5, 1.25))
    (comparison,) = answer.comparisons
    assert comparison.samples == (1.5, 1.6)
    assert comparison.verdict == MISSED


def test_what_was_not_measured_is_not_compared() -> None:
    answer = measured()
    answer.compare("ours", "a peer that is not installed", Target(1, 0.5))
    assert answer.comparisons == []


def test_a_contender_without_a_figure_is_left_out_with_a_reason() -> None:
    answer = measured()
    answer.add("broken", [None, None], "us")
    assert answer.row("broken") is None
    assert "broken" in answer.left_out


def test_an_answer_can_be_written_as_json() -> None:
    answer = measured()
    answer.compare("ours", "raw", Target(1.5, 1.25))
    plain = json.loads(json.dumps(answer.plain()))
    assert plain["rows"][0]["samples"] == [100.0, 100.0, None]
    assert plain["comparisons"][0]["target"] == {"at_least": 1.5, "aim": 1.25}


def test_a_peer_that_failed_is_not_a_failure_of_ours() -> None:
    answer = measured()
    answer.left_out |= {"RPyC": "failed: gone", "ours": "failed: gone", "zero": "not installed"}
    assert answer.failed == ["ours"]
