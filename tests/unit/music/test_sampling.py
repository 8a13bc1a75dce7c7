"""From logits to a token: no forbidden one, the right nucleus, the right frequencies."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emsync.music import sampling as room
from emsync.music.sampling import draw, nucleus, probabilities, risen_temperature

LOGITS = arrays(np.float32, 12, elements=st.floats(-80, 80, width=32))
ALLOWED = arrays(np.bool_, 12).filter(np.any)


def test_the_examples_of_the_docstrings_are_true() -> None:
    result = doctest.testmod(room)
    assert result.attempted > 2
    assert result.failed == 0


@settings(deadline=None)
@given(logits=LOGITS, allowed=ALLOWED, temperature=st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_are_zero_on_what_is_forbidden(
    logits: np.ndarray, allowed: np.ndarray, temperature: float
) -> None:
    found = probabilities(logits, allowed, temperature=temperature)
    assert found.sum() == pytest.approx(1.0)
    assert not found[~allowed].any()
    assert (found >= 0).all()


def test_temperature_one_is_the_softmax_and_two_its_root() -> None:
    logits = np.log(np.array([0.1, 0.2, 0.7], np.float32))
    everything = np.ones(3, bool)
    assert probabilities(logits, everything, temperature=1.0) == pytest.approx([0.1, 0.2, 0.7])
    roots = np.sqrt([0.1, 0.2, 0.7])
    assert probabilities(logits, everything, temperature=2.0) == pytest.approx(roots / roots.sum())


def test_a_likely_token_that_is_forbidden_does_not_starve_the_others() -> None:
    logits = np.array([1e6, 0.0, 0.0], np.float32)
    assert probabilities(logits, np.array([False, True, True]), temperature=1.0).tolist() == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("logits", "allowed", "temperature", "message"),
    [
        ([0.0, 0.0], [False, False], 1.0, "no token is allowed"),
        ([0.0, 0.0], [True, True], 0.0, "temperature must be above 0, not 0.0"),
        ([0.0, 0.0], [True, True], math.nan, "temperature must be above 0, not nan"),
        ([0.0, math.nan], [True, True], 1.0, "a logit that is not finite"),
        ([0.0, math.inf], [True, False], 1.0, "a logit that is not finite"),
    ],
)
def test_impossible_input_is_refused(
    logits: list[float], allowed: list[bool], temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        probabilities(np.array(logits, np.float32), np.array(allowed), temperature=temperature)


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [(0.05, [3]), (0.5, [3]), (0.51, [3, 1]), (0.8, [3, 1]), (0.81, [3, 1, 2]), (1.0, [3, 1, 2])],
)
def test_nucleus_by_pencil(top_p: float, expected: list[int]) -> None:
    assert nucleus(np.array([0.0, 0.3, 0.2, 0.5]), top_p).tolist() == expected


def test_of_equally_likely_tokens_the_nucleus_takes_the_first() -> None:
    assert nucleus(np.array([0.25, 0.25, 0.25, 0.25]), 0.5).tolist() == [0, 1]


@settings(deadline=None)
@given(logits=LOGITS, allowed=ALLOWED, top_p=st.floats(0.01, 1.0))
def test_the_nucleus_holds_enough_and_none_too_many(
    logits: np.ndarray, allowed: np.ndarray, top_p: float
) -> None:
    distribution = probabilities(logits, allowed, temperature=1.0)
    chosen = nucleus(distribution, top_p)
    held = distribution[chosen]
    assert (held > 0).all()
    assert held.sum() >= top_p - 1e-9
    assert held[:-1].sum() < top_p
    assert held.min() >= np.delete(distribution, chosen).max(initial=0.0)


@pytest.mark.parametrize("top_p", [0.0, -0.1, 1.01, math.nan])
def test_a_top_p_outside_zero_to_one_is_refused(top_p: float) -> None:
    with pytest.raises(ValueError, match=r"top-p must lie in \(0, 1\]"):
        nucleus(np.array([0.5, 0.5]), top_p)


def test_equal_generators_draw_equal_tokens_and_use_one_number_each() -> None:
    distribution = np.full(50, 0.02)
    first, second = np.random.default_rng(4), np.random.default_rng(4)
    candidates = np.arange(50)
    assert [draw(distribution, candidates, first) for _ in range(40)] == [
        draw(distribution, candidates, second) for _ in range(40)
    ]
    skipped = np.random.default_rng(4)
    skipped.random(40)
    assert first.random() == skipped.random()


def test_tokens_are_drawn_as_often_as_their_share_of_the_candidates() -> None:
    distribution = np.array([0.1, 0.15, 0.45, 0.3])
    candidates = np.array([2, 3, 1])
    rng = np.random.default_rng(0)
    draws = 20_000
    counts = np.bincount([draw(distribution, candidates, rng) for _ in range(draws)], minlength=4)
    expected = np.array([0.0, 0.15, 0.45, 0.3]) / 0.9 * draws
    assert counts[0] == 0
    chi_square = (np.square(counts[1:] - expected[1:]) / expected[1:]).sum()
    assert chi_square < 13.8  # two degrees of freedom: exceeded once in a thousand


def test_the_only_candidate_is_drawn() -> None:
    assert draw(np.array([0.0, 1e-300, 0.0]), np.array([1]), np.random.default_rng(0)) == 1


def test_temperature_rises_after_three_narrow_steps_and_not_before() -> None:
    assert [risen_temperature(1.35, steps) for steps in range(4)] == [1.35] * 4
    assert risen_temperature(2.0, 7) == pytest.approx(2.0 * (1 + 0.4 * math.log(2)))
    rising = [risen_temperature(1.0, steps) for steps in range(3, 30)]
    assert rising == sorted(set(rising))
