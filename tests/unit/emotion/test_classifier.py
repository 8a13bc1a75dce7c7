import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.classifier import BATCH_FRAMES, UNIFORM, EmotionClassifier
from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import ImageFeatures, has_picture
from emsync.emotion.head import EmotionHead
from emsync.errors import WeightsError
from emsync.types import SampledFrame, Shot


class MeanColour:
    """A sense of two numbers: how red and how blue a frame is, in [0, 1]."""

    name = "two"
    dimension = 2

    def __init__(self) -> None:
        self.batches: list[int] = []

    def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
        self.batches.append(len(pieces))
        return np.asarray(pieces.mean(axis=(1, 2))[:, [0, 2]] / 255, dtype=np.float32)


def head_for(name: str = "two") -> EmotionHead:
    """Red is joy, blue is sadness."""
    return EmotionHead(
        feature_name=name,
        affect_weights=np.zeros((2, 2)),
        affect_bias=np.zeros(2),
        affect_error_sd=np.ones(2),
        class_names=("red", "blue"),
        class_weights=np.array([[9.0, -9.0], [-9.0, 9.0]]),
        class_bias=np.zeros(2),
        class_to_emotion=np.array([[0, 0, 0, 1.0, 0, 0], [0, 0, 0, 0, 1.0, 0]]),
        affect_share=0.0,
    )


def frame(time_s: float, red: int, blue: int) -> SampledFrame:
    rgb = np.zeros((224, 224, 3), dtype=np.uint8)
    rgb[..., 0], rgb[..., 2] = red, blue
    rgb[:112, :, 1] = 60  # something to see
    return SampledFrame(time_s, rgb)


def classifier() -> EmotionClassifier:
    return EmotionClassifier(MeanColour(), head_for())


def joy_of(watcher: EmotionClassifier, *shots: Shot) -> list[float]:
    return [shot_emotion.probabilities.values[3] for shot_emotion in watcher.classify(shots)]


def test_a_shot_is_judged_by_the_frames_inside_it_only() -> None:
    watcher = classifier()
    for time_s in range(4):
        watcher.accept(frame(float(time_s), *((255, 0) if time_s < 2 else (0, 255))))
    first, second = joy_of(watcher, Shot(0, 2), Shot(2, 4))
    assert first > 0.99
    assert second < 0.01


def test_a_shot_is_the_mean_of_its_frames() -> None:
    watcher = classifier()
    watcher.accept(frame(0, 255, 0))
    watcher.accept(frame(1, 0, 255))
    assert joy_of(watcher, Shot(0, 2)) == pytest.approx([0.5])


def test_a_frame_on_a_cut_belongs_to_the_shot_that_starts_there() -> None:
    watcher = classifier()
    watcher.accept(frame(1, 255, 0))
    watcher.accept(frame(2, 0, 255))
    assert joy_of(watcher, Shot(1, 2))[0] > 0.99


def test_a_shot_without_a_frame_takes_the_nearest() -> None:
    watcher = classifier()
    watcher.accept(frame(0, 255, 0))
    watcher.accept(frame(10, 0, 255))
    near_first, near_second = joy_of(watcher, Shot(1, 2), Shot(8, 9))
    assert near_first > 0.99
    assert near_second < 0.01


def test_no_frame_at_all_leaves_every_category_equally_likely() -> None:
    assert classifier().classify([Shot(0, 5)])[0].probabilities == UNIFORM


def test_no_shot_gives_no_emotion() -> None:
    assert classifier().classify([]) == ()


def test_a_black_frame_says_nothing() -> None:
    watcher = classifier()
    watcher.accept(SampledFrame(0.0, np.zeros((224, 224, 3), dtype=np.uint8)))
    assert watcher.classify([Shot(0, 1)])[0].probabilities == UNIFORM
    watcher.accept(frame(2, 255, 0))
    assert joy_of(watcher, Shot(0, 1))[0] > 0.99  # the nearest that shows something


def test_frames_are_taken_in_batches_and_the_rest_at_the_end() -> None:
    colour = MeanColour()
    watcher = EmotionClassifier(colour, head_for())
    for time_s in range(BATCH_FRAMES + 3):
        watcher.accept(frame(float(time_s), 255, 0))
    assert colour.batches == [BATCH_FRAMES]
    watcher.classify([Shot(0, 99)])
    assert colour.batches == [BATCH_FRAMES, 3]


def test_an_accepted_frame_may_be_reused_by_its_owner() -> None:
    watcher = classifier()
    shared = frame(0, 255, 0)
    watcher.accept(shared)
    shared.rgb[..., 0], shared.rgb[..., 2] = 0, 255
    assert joy_of(watcher, Shot(0, 1))[0] > 0.99


def test_the_order_of_frames_does_not_matter() -> None:
    watcher = classifier()
    watcher.accept(frame(3, 0, 255))
    watcher.accept(frame(0, 255, 0))
    assert joy_of(watcher, Shot(0, 1))[0] > 0.99


@pytest.mark.parametrize(
    "bad",
    [
        SampledFrame(0.0, np.zeros((100, 224, 3), dtype=np.uint8)),
        SampledFrame(0.0, np.zeros((224, 224, 3), dtype=np.float32)),
        SampledFrame(float("nan"), np.zeros((224, 224, 3), dtype=np.uint8)),
    ],
)
def test_a_frame_of_another_kind_is_refused(bad: SampledFrame) -> None:
    with pytest.raises(ValueError, match=r"expected|finite"):
        classifier().accept(bad)


def test_a_head_fitted_to_other_features_is_refused() -> None:
    with pytest.raises(WeightsError, match="fitted to three"):
        EmotionClassifier(MeanColour(), head_for("three"))


def test_features_that_are_not_finite_never_become_probabilities() -> None:
    class Broken(MeanColour):
        def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
            return np.full((len(pieces), 2), np.nan, dtype=np.float32)

    watcher = EmotionClassifier(Broken(), head_for())
    watcher.accept(frame(0, 255, 0))
    with pytest.raises(WeightsError, match="not finite"):
        watcher.classify([Shot(0, 1)])


def test_has_picture_tells_a_fade_from_a_dark_scene() -> None:
    generator = np.random.default_rng(0)
    assert not has_picture(np.full((224, 224, 3), 16, dtype=np.uint8))
    assert not has_picture(np.full((224, 224, 3), (200, 30, 30), dtype=np.uint8))
    assert has_picture(generator.integers(0, 60, (224, 224, 3)).astype(np.uint8))


def test_the_image_features_are_an_extractor() -> None:
    extractor: FeatureExtractor[NDArray[np.uint8]] = MeanColour()
    assert (extractor.name, ImageFeatures.name, ImageFeatures.dimension) == (
        "two",
        "efficientnet_lite0",
        1280,
    )
