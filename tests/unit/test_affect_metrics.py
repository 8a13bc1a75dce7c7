"""Agreement of affect, against values that can be checked by pencil."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from emsync.affect_metrics import ccc, quadrant_accuracy, spearman
from emsync.types import Floats

NOTHING = np.zeros(0)
RISING = np.array([0.0, 1.0, 2.0])


def test_ccc_is_one_for_equal_sides_and_minus_one_for_mirrored_ones() -> None:
    assert ccc(RISING, RISING) == pytest.approx(1.0)
    assert ccc(RISING - 1, 1 - RISING) == pytest.approx(-1.0)


def test_ccc_sees_a_shift_that_a_correlation_does_not() -> None:
    variance = 2 / 3
    assert ccc(RISING, RISING + 1) == pytest.approx(2 * variance / (2 * variance + 1))


def test_ccc_sees_a_wrong_scale() -> None:
    assert ccc(RISING - 1, 2 * (RISING - 1)) == pytest.approx(2 * 2 / (1 + 4))


def test_ccc_of_one_constant_side_is_zero_and_of_two_equal_ones_undefined() -> None:
    assert ccc(RISING, np.ones(3)) == 0.0
    assert math.isnan(ccc(np.ones(3), np.ones(3)))
    assert math.isnan(ccc(NOTHING, NOTHING))


def test_spearman_sees_order_alone() -> None:
    assert spearman(RISING, np.exp(5 * RISING)) == pytest.approx(1.0)
    assert spearman(RISING, -RISING) == pytest.approx(-1.0)


def test_spearman_gives_ties_their_mean_rank() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 9.0])) == pytest.approx(math.sqrt(3) / 2)


def test_spearman_of_a_constant_side_or_one_pair_is_undefined() -> None:
    assert math.isnan(spearman(RISING, np.ones(3)))
    assert math.isnan(spearman(np.ones(1), np.ones(1)))


def test_a_quadrant_is_right_only_if_both_signs_are() -> None:
    asked_v, asked_a = np.array([0.5, 0.5, -0.5, -0.5]), np.array([0.5, -0.5, 0.5, -0.5])
    got_v, got_a = np.array([0.1, -0.1, -0.9, 0.1]), np.array([0.9, -0.1, -0.1, 0.1])
    assert quadrant_accuracy(asked_v, asked_a, got_v, got_a) == 1 / 4


def test_a_zero_lies_in_no_quadrant() -> None:
    zero, plus = np.array([0.0, 0.5]), np.array([0.5, 0.5])
    assert quadrant_accuracy(plus, plus, zero, plus) == 1 / 2
    assert quadrant_accuracy(zero, plus, zero, plus) == 1 / 2
    assert math.isnan(quadrant_accuracy(NOTHING, NOTHING, NOTHING, NOTHING))


@pytest.mark.parametrize("agreement", [ccc, spearman])
def test_sides_that_do_not_fit_or_are_not_finite_are_refused(
    agreement: Callable[[Floats, Floats], float],
) -> None:
    with pytest.raises(ValueError, match="one shape"):
        agreement(RISING, RISING[:2])
    with pytest.raises(ValueError, match="finite"):
        agreement(RISING, np.array([0.0, np.nan, 1.0]))
