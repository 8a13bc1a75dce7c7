import json
from dataclasses import replace

import numpy as np
import pytest

from emsync.emotion.affect import RATED
from emsync.emotion.head import EmotionHead, emotions_near, softmax
from emsync.errors import WeightsError
from emsync.types import EMOTIONS


def small_head(affect_share: float = 0.5) -> EmotionHead:
    """Two features: the first raises valence and class 'up', the second lowers them."""
    return EmotionHead(
        feature_name="two",
        affect_weights=np.array([[0.8, 0.5], [-0.6, -0.3]]),
        affect_bias=np.zeros(2),
        affect_error_sd=np.array([0.2, 0.2]),
        class_names=("up", "down"),
        class_weights=np.array([[3.0, -3.0], [-3.0, 3.0]]),
        class_bias=np.zeros(2),
        class_to_emotion=np.array([[0, 0, 0, 1.0, 0, 0], [0, 0, 0, 0, 1.0, 0]]),
        affect_share=affect_share,
    )


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_rating_on_a_category_s_mean_speaks_most_for_its_side(emotion: str) -> None:
    index = EMOTIONS.index(emotion)
    probabilities = emotions_near(RATED.means[index : index + 1], np.array([0.02, 0.02]))[0]
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[index] >= 1 / len(EMOTIONS)


def test_joy_and_sadness_are_told_apart_by_their_ratings() -> None:
    probabilities = emotions_near(np.array([[0.76, 0.48], [-0.63, -0.27]]), np.array([0.2, 0.2]))
    assert [EMOTIONS[index] for index in probabilities.argmax(axis=1)] == ["joy", "sadness"]


def test_an_unsure_regression_gives_flatter_probabilities() -> None:
    rating = np.array([[0.76, 0.48]])
    sure, unsure = (emotions_near(rating, np.full(2, error)).max() for error in (0.05, 0.8))
    assert sure > 0.7
    assert unsure < 0.5


def test_the_widened_gaussian_is_the_one_on_paper() -> None:
    # rating (0.40, 0.67) with error (0.3, 0): surprise varies 0.09 + 0.09 in V; joy 0.0484 + 0.09
    surprise = 1 / np.sqrt(0.18 * 0.0729)
    joy = np.exp(-0.5 * (0.36**2 / 0.1384 + 0.19**2 / 0.0676)) / np.sqrt(0.1384 * 0.0676)
    probabilities = emotions_near(np.array([[0.40, 0.67]]), np.array([0.3, 0.0]))[0]
    assert probabilities[3] / probabilities[5] == pytest.approx(joy / surprise)


def test_the_shares_pool_both_readings() -> None:
    features = np.array([[1.0, 0.0]])
    only_class, only_affect, both = (small_head(share).probabilities(features)[0] for share in (0, 1, 0.5))
    assert only_class[3] == pytest.approx(softmax(np.array([3.0, -3.0]))[0])
    assert both == pytest.approx((only_class + only_affect) / 2)


def test_features_reach_the_matrix_as_square_roots() -> None:
    rated = small_head().rated_affect(np.array([[0.25, 0.0]]))
    assert rated[0] == pytest.approx([0.4, 0.25])


def test_a_head_survives_its_file() -> None:
    head = small_head()
    again = EmotionHead.from_json(head.to_json().encode())
    features = np.array([[0.3, 0.9], [1.0, 0.1]])
    assert again.probabilities(features) == pytest.approx(head.probabilities(features), abs=1e-6)
    assert again.class_names == ("up", "down")


def altered(**changes: object) -> bytes:
    return json.dumps(json.loads(small_head().to_json()) | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        altered(version=2),
        altered(format="other"),
        altered(emotions=["joy"]),
        altered(class_bias=[0.0]),
        altered(affect_bias=[float("nan"), 0.0]),
        altered(affect_share=2),
        altered(class_to_emotion=[[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]),
    ],
)
def test_a_file_that_is_not_such_a_head_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="emotion head cannot be used"):
        EmotionHead.from_json(content)


def test_a_head_of_the_wrong_shape_is_a_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="class_weights"):
        replace(small_head(), class_weights=np.zeros((3, 2)))
