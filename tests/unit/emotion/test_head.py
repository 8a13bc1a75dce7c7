import json
from dataclasses import replace

import numpy as np
import pytest

from emsync.emotion.affect import RATED
from emsync.emotion.head import (
    EmotionHead,
    SenseReading,
    affect_of_classes,
    emotions_near,
)
from emsync.emotion.moments import SenseFeatures, ShotFeatures
from emsync.emotion.pool import softmax
from emsync.errors import WeightsError
from emsync.types import EMOTIONS


def small_head(affect_share: float = 0.5) -> EmotionHead:
    """Two image features: the first raises valence and class 'up', the second lowers them. One of sound: 'up'."""
    return EmotionHead(
        class_names=("up", "down"),
        readings={
            "image": SenseReading("two", np.array([[3.0, -3.0], [-3.0, 3.0]]), np.zeros(2), 0.25),
            "sound": SenseReading("one", np.array([[2.0, -2.0]]), np.zeros(2), 0.75),
        },
        pool_temperature=0.5,
        class_to_emotion=np.array([[0, 0, 0, 1.0, 0, 0], [0, 0, 0, 0, 1.0, 0]]),
        class_affect=np.array([[0.6, 0.4], [-0.5, -0.2]]),
        affect_weights=np.array([[0.8, 0.5], [-0.6, -0.3]]),
        affect_bias=np.zeros(2),
        affect_error_sd=np.array([0.2, 0.2]),
        affect_share=affect_share,
        rated_share=np.array([0.5, 0.0]),
        rated_centre=np.array([0.1, 0.1]),
        rated_gain=np.array([1.0, 1.0]),
    )


def shots(
    image: list[list[float]], sound: list[list[float]], *, has_image: bool = True, has_sound: bool = True
) -> ShotFeatures:
    count = len(image)
    return {
        "image": SenseFeatures(np.array(image), np.full(count, has_image)),
        "sound": SenseFeatures(np.array(sound), np.full(count, has_sound)),
    }


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
    features = shots([[1.0, 0.0]], [[0.0]], has_sound=False)
    only_class, only_affect, both = (small_head(share).probabilities(features)[0] for share in (0, 1, 0.5))
    assert only_class[3] == pytest.approx(softmax(np.array([3.0, -3.0]))[0])
    assert both == pytest.approx((only_class + only_affect) / 2)


def test_features_reach_the_matrix_as_square_roots() -> None:
    rated = small_head().ratings(np.array([[0.25, 0.0]]))
    assert rated[0] == pytest.approx([0.4, 0.25])


def test_a_head_survives_its_file() -> None:
    head = small_head()
    again = EmotionHead.from_json(head.to_json().encode())
    features = shots([[0.3, 0.9], [1.0, 0.1]], [[0.5], [0.2]])
    assert again.probabilities(features) == pytest.approx(head.probabilities(features), abs=1e-6)
    assert again.affect(features) == pytest.approx(head.affect(features), abs=1e-6)
    assert [again.readings[name].feature_name for name in ("image", "sound")] == ["two", "one"]
    assert again.class_names == ("up", "down")


def test_a_sense_that_is_missing_leaves_the_other_alone() -> None:
    head = small_head()
    seen, heard = (
        head.class_probabilities(shots([[0.2, 0.7]], [[0.5]], has_image=image, has_sound=not image))
        for image in (True, False)
    )
    assert seen == pytest.approx(head.readings["image"].probabilities(np.array([[0.2, 0.7]])))
    assert heard == pytest.approx(head.readings["sound"].probabilities(np.array([[0.5]])))


@pytest.mark.parametrize("has_image", [True, False])
def test_features_of_a_missing_sense_are_never_looked_at(has_image: bool) -> None:
    head, garbage = small_head(), [[1e6, float("nan")]]
    if has_image:
        clean = shots([[0.2, 0.7]], [[0.0]], has_sound=False)
        dirty = shots([[0.2, 0.7]], [[float("nan")]], has_sound=False)
    else:
        clean = shots([[0.0, 0.0]], [[0.5]], has_image=False)
        dirty = shots(garbage, [[0.5]], has_image=False)
    assert head.probabilities(dirty) == pytest.approx(head.probabilities(clean))
    assert head.affect(dirty) == pytest.approx(head.affect(clean))


def test_nothing_seen_and_nothing_heard_is_uniform_and_in_the_middle() -> None:
    head = small_head()
    unknown = shots([[5.0, 1.0]], [[3.0]], has_image=False, has_sound=False)
    assert head.class_probabilities(unknown)[0] == pytest.approx([0.5, 0.5])
    assert head.probabilities(unknown)[0] == pytest.approx([1 / 6] * 6)
    assert head.affect(unknown)[0] == pytest.approx([0, 0], abs=1e-12)


def test_a_certain_class_lands_on_its_affect_and_a_uniform_one_in_the_middle() -> None:
    anchors = np.array([[0.6, 0.75], [0.0, 0.0], [-0.3, 0.6]])
    certain = affect_of_classes(np.eye(3), anchors)
    assert certain == pytest.approx(anchors, abs=1e-9)
    assert affect_of_classes(np.full((1, 3), 1 / 3), anchors)[0] == pytest.approx([0, 0], abs=1e-12)


def test_affect_weighs_class_and_rating_axis_by_axis() -> None:
    head = small_head()
    features = shots([[0.25, 0.25]], [[0.0]], has_sound=False)  # classes even: 0, 0 from the clip reading
    rating = np.array([0.5 * 0.8 - 0.5 * 0.6, 0.5 * 0.5 - 0.5 * 0.3])
    assert head.ratings(features["image"].values)[0] == pytest.approx(rating)
    assert head.affect(features)[0] == pytest.approx([np.tanh(0.5 * (rating[0] - 0.1)), 0.0], abs=1e-12)


def test_gain_stretches_affect_and_never_leaves_the_range() -> None:
    head = replace(small_head(), rated_gain=np.array([0.1, 100.0]))
    features = shots([[0.0, 0.0]], [[1.0]], has_image=False)
    plain = np.arctanh(small_head().affect(features)[0])
    assert head.affect(features)[0] == pytest.approx([np.tanh(0.1 * plain[0]), 1.0])


def altered(**changes: object) -> bytes:
    return json.dumps(json.loads(small_head().to_json()) | changes).encode()


def altered_reading(name: str, **changes: object) -> bytes:
    readings = json.loads(small_head().to_json())["readings"]
    return altered(readings={**readings, name: {**readings[name], **changes}})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        altered(version=1),
        altered(format="other"),
        altered(emotions=["joy"]),
        altered(version=2),
        altered_reading("image", bias=[0.0]),
        altered_reading("sound", weights=[0, 0]),
        altered_reading("sound", pool_weight=-0.1),
        altered(
            readings={"sound": {"feature_name": "one", "weights": [[0, 0]], "bias": [0, 0], "pool_weight": 1}}
        ),
        altered(readings={"image": None}),
        altered(readings=None),
        altered(pool_temperature=0),
        altered(class_affect=[[0, 0]]),
        altered(rated_gain=[1]),
        altered(affect_bias=[float("nan"), 0.0]),
        altered(affect_share=2),
        altered(class_to_emotion=[[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]),
    ],
)
def test_a_file_that_is_not_such_a_head_is_refused(content: bytes) -> None:
    with pytest.raises(WeightsError, match="emotion head cannot be used"):
        EmotionHead.from_json(content)


def test_a_head_of_the_wrong_shape_is_a_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="affect_weights"):
        replace(small_head(), affect_weights=np.zeros((3, 2)))


def named(*values: float, is_known: bool = True) -> SenseFeatures:
    """One shot of a naming sense: anger, disgust, fear, joy, sadness, surprise, neutral."""
    return SenseFeatures(np.array([values]), np.array([is_known]))


FEAR = named(0, 0, 1, 0, 0, 0, 0)


def test_a_naming_sense_takes_its_share_of_the_outcome() -> None:
    head, features = small_head(), shots([[1.0, 0.0]], [[0.5]])
    with_face = {**features, "faces": FEAR}
    without, faced = head.probabilities(features)[0], head.probabilities(with_face)[0]
    assert faced == pytest.approx(0.8 * without + 0.2 * np.eye(6)[2])
    fear = np.array([-0.64, 0.60])
    assert head.affect(with_face)[0] == pytest.approx(0.8 * head.affect(features)[0] + 0.2 * fear)


def test_a_naming_sense_that_did_not_speak_changes_nothing() -> None:
    head, features = small_head(), shots([[1.0, 0.0]], [[0.5]])
    silent = {**features, "faces": named(*[float("nan")] * 7, is_known=False)}
    assert (head.probabilities(silent) == head.probabilities(features)).all()
    assert (head.affect(silent) == head.affect(features)).all()


def test_a_naming_sense_that_speaks_alone_counts_in_full() -> None:
    features = {**shots([[1.0, 0.0]], [[0.5]], has_image=False, has_sound=False), "faces": FEAR}
    assert small_head().probabilities(features)[0] == pytest.approx(np.eye(6)[2])
    assert small_head().affect(features)[0] == pytest.approx([-0.64, 0.60])


def test_senses_that_speak_of_another_number_of_shots_are_a_caller_s_mistake() -> None:
    features = {**shots([[1.0, 0.0], [0.0, 1.0]], [[0.5], [0.1]]), "faces": FEAR}
    with pytest.raises(ValueError, match="same shots"):
        small_head().probabilities(features)
