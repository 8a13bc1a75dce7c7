import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.classifier import EmotionClassifier
from emsync.emotion.features import FeatureExtractor
from emsync.emotion.features.image import ImageFeatures, has_picture
from emsync.emotion.features.sound import SoundFeatures, has_sound
from emsync.emotion.head import EmotionHead, SenseReading
from emsync.emotion.moments import Moments
from emsync.emotion.sense import BATCH_PIECES, NamingSense, Sense
from emsync.emotion.senses import SENSES, ImageSense, SoundSense
from emsync.errors import WeightsError
from emsync.types import SampledFrame, Shot, SoundPatch

EVEN = (1 / 6,) * 6
PATCH_S = 0.975


class MeanColour:
    """A sense of two numbers: how red and how blue a frame is, in [0, 1]."""

    name = "two"
    dimension = 2

    def __init__(self) -> None:
        self.batches: list[int] = []

    def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
        self.batches.append(len(pieces))
        return np.asarray(pieces.mean(axis=(1, 2))[:, [0, 2]] / 255, dtype=np.float32)


class Loudness:
    """A sense of one number: the mean square of a patch."""

    name = "one"
    dimension = 1

    def extract(self, pieces: NDArray[np.float32], /) -> NDArray[np.float32]:
        return np.asarray((pieces**2).mean(axis=1, keepdims=True), dtype=np.float32)


def head_for(image: str = "two", sound: str = "one") -> EmotionHead:
    """Red and loud are joy, blue and soft are sadness; joy is high and sadness low on both axes."""
    return EmotionHead(
        class_names=("red", "blue"),
        readings={
            "image": SenseReading(image, np.array([[9.0, -9.0], [-9.0, 9.0]]), np.zeros(2), 0.5),
            "sound": SenseReading(sound, np.array([[9.0, -9.0]]), np.array([-3.0, 3.0]), 0.5),
        },
        pool_temperature=0.5,
        class_to_emotion=np.array([[0, 0, 0, 1.0, 0, 0], [0, 0, 0, 0, 1.0, 0]]),
        class_affect=np.array([[0.7, 0.5], [-0.6, -0.3]]),
        affect_weights=np.zeros((2, 2)),
        affect_bias=np.zeros(2),
        affect_error_sd=np.ones(2),
        affect_share=0.0,
        rated_share=np.zeros(2),
        rated_centre=np.zeros(2),
        rated_gain=np.ones(2),
    )


def sound(time_s: float, level: float) -> SoundPatch:
    return SoundPatch(time_s, np.full(15_600, level, np.float32))


def frame(time_s: float, red: int, blue: int) -> SampledFrame:
    rgb = np.zeros((224, 224, 3), dtype=np.uint8)
    rgb[..., 0], rgb[..., 2] = red, blue
    rgb[:112, :, 1] = 60  # something to see
    return SampledFrame(time_s, rgb)


def classifier() -> EmotionClassifier:
    return EmotionClassifier([ImageSense(MeanColour()), SoundSense(Loudness())], head_for())


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


def test_nothing_seen_and_nothing_heard_leaves_every_category_equally_likely() -> None:
    shot = classifier().classify([Shot(0, 5)])[0]
    assert shot.probabilities.values == pytest.approx(EVEN)
    assert (shot.valence, shot.arousal) == pytest.approx((0, 0), abs=1e-12)
    assert shot.senses == ()


def test_no_shot_gives_no_emotion() -> None:
    assert classifier().classify([]) == ()


def test_a_black_frame_says_nothing() -> None:
    watcher = classifier()
    watcher.accept(SampledFrame(0.0, np.zeros((224, 224, 3), dtype=np.uint8)))
    assert watcher.classify([Shot(0, 1)])[0].probabilities.values == pytest.approx(EVEN)
    watcher.accept(frame(2, 255, 0))
    assert joy_of(watcher, Shot(0, 1))[0] > 0.99  # the nearest that shows something


def test_frames_are_taken_in_batches_and_the_rest_at_the_end() -> None:
    colour = MeanColour()
    watcher = EmotionClassifier([ImageSense(colour), SoundSense(Loudness())], head_for())
    for time_s in range(BATCH_PIECES + 3):
        watcher.accept(frame(float(time_s), 255, 0))
    assert colour.batches == [BATCH_PIECES]
    watcher.classify([Shot(0, 99)])
    assert colour.batches == [BATCH_PIECES, 3]


def test_an_accepted_frame_may_be_reused_by_its_owner() -> None:
    watcher = classifier()
    shared = frame(0, 255, 0)
    watcher.accept(shared)
    shared.rgb[..., 0], shared.rgb[..., 2] = 0, 255
    assert joy_of(watcher, Shot(0, 1))[0] > 0.99


def test_each_shot_tells_which_senses_spoke() -> None:
    watcher = classifier()
    watcher.accept(frame(0.5, 255, 0))
    watcher.accept_sound(sound(0.5, 0.5))
    watcher.accept_sound(sound(3.5, 0.5))
    senses = [shot.senses for shot in watcher.classify([Shot(0, 1), Shot(1, 3), Shot(3, 4)])]
    assert senses == [("image", "sound"), ("image",), ("image", "sound")]


def test_a_film_without_a_picture_is_judged_by_its_sound() -> None:
    watcher = classifier()
    watcher.accept_sound(sound(0.5, 0.9))
    watcher.accept_sound(sound(1.5, 0.1))
    loud, soft = watcher.classify([Shot(0, 1), Shot(1, 2)])
    assert (loud.senses, soft.senses) == (("sound",), ("sound",))
    assert loud.probabilities.values[3] > 0.9
    assert soft.probabilities.values[3] < 0.1
    assert loud.arousal > 0 > soft.arousal


def test_both_senses_outweigh_one_that_disagrees_weakly() -> None:
    watcher = classifier()
    watcher.accept(frame(0.5, 255, 0))  # surely joy
    (alone,) = joy_of(watcher, Shot(0, 1))
    watcher.accept_sound(sound(0.5, 0.55))  # nearly undecided, a little towards sadness
    (both,) = joy_of(watcher, Shot(0, 1))
    assert both > 0.99
    assert both != alone


def test_silence_is_no_sound() -> None:
    watcher = classifier()
    watcher.accept_sound(sound(0.5, 0.0009))  # -60.9 dBFS
    assert watcher.classify([Shot(0, 1)])[0].senses == ()
    watcher.accept_sound(sound(1.5, 0.0011))  # -59.2 dBFS
    assert watcher.classify([Shot(1, 2)])[0].senses == ("sound",)


def test_broken_samples_are_no_sound() -> None:
    for bad in (np.nan, np.inf):
        samples = np.full(15_600, 0.1, np.float32)
        samples[7] = bad
        assert not has_sound(samples)


def test_a_short_shot_takes_the_patch_around_it_but_none_further_off() -> None:
    watcher = classifier()
    watcher.accept_sound(sound(PATCH_S / 2, 0.5))
    inside, outside = watcher.classify([Shot(0.6, 0.8), Shot(1.2, 1.4)])
    assert inside.senses == ("sound",)
    assert outside.senses == ()


@pytest.mark.parametrize(
    "bad",
    [
        SoundPatch(0.0, np.zeros(15_601, dtype=np.float32)),
        SoundPatch(0.0, np.zeros(15_600, dtype=np.float64)),
        SoundPatch(float("inf"), np.zeros(15_600, dtype=np.float32)),
    ],
)
def test_a_patch_of_another_kind_is_refused(bad: SoundPatch) -> None:
    with pytest.raises(ValueError, match=r"expected|finite"):
        classifier().accept_sound(bad)


def test_features_that_come_in_order_are_not_copied() -> None:
    """An hour of a film has 9 MB of them for each sense."""
    values = np.zeros((3, 4), np.float16)
    assert np.shares_memory(Moments.in_order([0.0, 1.0, 1.0], values).values, values)
    assert Moments.in_order([1.0, 0.0], np.eye(2)).values.tolist() == [[0, 1], [1, 0]]


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
        EmotionClassifier([ImageSense(MeanColour())], head_for("three"))
    with pytest.raises(WeightsError, match="fitted to three"):
        EmotionClassifier([SoundSense(Loudness())], head_for(sound="three"))


class Frightened(NamingSense):
    """Sees fear in every frame whose corner is red."""

    name = "faces"
    feature_name = "frightened"

    def accept_frame(self, frame: SampledFrame) -> None:
        if frame.rgb[0, 0, 0] > 127:
            self.keep(frame.time_s, np.eye(7)[2])


def test_a_naming_sense_speaks_beside_the_others_and_is_listed_where_it_spoke() -> None:
    watcher = EmotionClassifier([ImageSense(MeanColour()), Frightened()], head_for())
    watcher.accept(frame(0.5, 255, 0))
    watcher.accept(frame(1.5, 0, 255))
    red, blue = watcher.classify([Shot(0, 1), Shot(1, 2)])
    assert (red.senses, blue.senses) == (("image", "faces"), ("image",))
    assert red.probabilities.values[2] == pytest.approx(0.2)
    assert blue.probabilities.values[2] == 0


def test_a_learned_sense_that_the_head_does_not_know_is_refused() -> None:
    class Smell(Sense):
        name, feature_name, dimension = "smell", "nose", 1

    with pytest.raises(WeightsError, match="no reading for the sense 'smell'"):
        EmotionClassifier([Smell()], head_for())


def test_a_sense_that_forgot_knows_nothing_of_the_film_before() -> None:
    sense = ImageSense(MeanColour())
    for time_s in range(BATCH_PIECES + 1):
        sense.accept_frame(frame(float(time_s), 255, 0))
    sense.forget()
    assert len(sense.moments().times_s) == 0


def test_every_sense_has_a_name_of_its_own() -> None:
    names = [entry.name for entry in SENSES]
    assert names[:2] == ["image", "sound"]
    assert len(set(names)) == len(names)


def test_features_that_are_not_finite_never_become_probabilities() -> None:
    class Broken(MeanColour):
        def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
            return np.full((len(pieces), 2), np.nan, dtype=np.float32)

    watcher = EmotionClassifier([ImageSense(Broken())], head_for())
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
    assert (Loudness.name, SoundFeatures.name, SoundFeatures.dimension) == ("one", "yamnet", 1024)
