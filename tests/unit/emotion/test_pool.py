"""Pooling what several senses say."""

import numpy as np
import pytest

from emsync.emotion.moments import SenseFeatures
from emsync.emotion.pool import NAMING_SHARES, affect_named, emotions_named, log_pool, share_out
from emsync.types import Floats

YES, NO = np.array([True]), np.array([False])


def pooled(
    probabilities: dict[str, list[float]], weights: dict[str, float], temperature: float, *silent: str
) -> Floats:
    return log_pool(
        {name: np.array([values]) for name, values in probabilities.items()},
        {name: NO if name in silent else YES for name in probabilities},
        weights=weights,
        temperature=temperature,
    )[0]


THREE = {"image": [0.8, 0.2], "sound": [0.4, 0.6], "craft": [0.5, 0.5]}
WEIGHTS = {"image": 0.2, "sound": 0.5, "craft": 0.3}


def test_senses_average_their_log_probabilities_and_sharpen() -> None:
    one, two = pooled({"image": [0.8, 0.2], "sound": [0.4, 0.6]}, {"image": 0.25, "sound": 0.75}, 0.5)
    # odds: (0.8 / 0.2)^(0.25 / 0.5) (0.4 / 0.6)^(0.75 / 0.5)
    assert one / two == pytest.approx(4**0.5 * (2 / 3) ** 1.5)


def test_a_class_that_one_sense_rules_out_stays_finite() -> None:
    together = pooled({"image": [1.0, 0.0], "sound": [0.0, 1.0]}, {"image": 0.5, "sound": 0.5}, 1.0)
    assert together == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("alone", THREE)
def test_a_sense_that_speaks_alone_is_passed_on_as_it_is(alone: str) -> None:
    silent = [name for name in THREE if name != alone]
    assert pooled(THREE, WEIGHTS, 0.5, *silent) == pytest.approx(THREE[alone])


def test_the_weights_of_those_that_spoke_are_renormalised_and_the_temperature_comes_nearer_to_one() -> None:
    one, two = pooled(THREE, WEIGHTS, 0.5, "craft")
    image, sound = 2 / 7, 5 / 7
    diversity = (1 - image**2 - sound**2) / (1 - 0.2**2 - 0.5**2 - 0.3**2)
    assert one / two == pytest.approx((4**image * (2 / 3) ** sound) ** (1 / 0.5**diversity))


def test_a_sense_without_weight_still_speaks_where_it_is_alone() -> None:
    assert pooled(THREE, {"image": 0.0, "sound": 1.0, "craft": 0.0}, 0.5, "sound", "craft") == pytest.approx(
        THREE["image"]
    )


def test_no_sense_leaves_every_class_equally_likely() -> None:
    assert pooled(THREE, WEIGHTS, 0.5, *THREE) == pytest.approx([0.5, 0.5])


def test_two_naming_senses_weigh_by_their_odds() -> None:
    face, text = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    mixed = share_out(np.array([[0.5, 0.5]]), YES, {"faces": (face, YES), "screen_text": (text, YES)})
    odds = [share / (1 - share) for share in (NAMING_SHARES["faces"], NAMING_SHARES["screen_text"])]
    assert mixed[0, 0] == pytest.approx((0.5 + odds[0]) / (1 + sum(odds)))


def test_naming_senses_alone_share_all_of_the_outcome() -> None:
    face, text = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    mixed = share_out(np.array([[0.5, 0.5]]), NO, {"faces": (face, YES), "speech": (text, YES)})
    assert mixed[0] == pytest.approx([0.5, 0.5])
    assert share_out(np.array([[0.3, 0.7]]), NO, {"faces": (face, YES)})[0] == pytest.approx([1.0, 0.0])


def test_neutral_is_spread_evenly_and_stands_in_the_middle() -> None:
    neutral = SenseFeatures(np.eye(7)[[6, 3]], np.array([True, True]))
    assert emotions_named(neutral)[0] == pytest.approx([1 / 6] * 6)
    assert affect_named(neutral) == pytest.approx(np.array([[0, 0], [0.76, 0.48]]))
