from __future__ import annotations

import pytest

from benchmarks.spread import percentile, ratios, spread


def test_the_spread_is_the_median_and_its_quartiles() -> None:
    found = spread([5, 1, 4, 2, 3])
    assert (found.low, found.median, found.high, found.count) == (2, 3, 4, 5)


def test_one_wild_sample_does_not_move_the_median() -> None:
    assert spread([1.0, 1.1, 1.2, 1.3, 900.0]).median == 1.2


def test_one_sample_is_its_own_spread() -> None:
    found = spread([7.0])
    assert (found.low, found.median, found.high) == (7.0, 7.0, 7.0)


def test_no_sample_has_no_spread() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        spread([])


def test_ratios_pair_the_samples_of_one_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_round_in_which_one_failed_gives_no_ratio() -> None:
    assert ratios([2.0, None, 6.0], [1.0, 3.0, None]) == [2.0]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 5), (0.9, 9), (1.0, 10), (0.0, 1)])
def test_a_percentile_is_one_of_the_samples(share: float, expected: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected
