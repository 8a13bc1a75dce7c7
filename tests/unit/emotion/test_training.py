"""Fitting and measuring the head, on made-up data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.media import make_video

from emsync.emotion.moments import Moments, SenseFeatures
from emsync.emotion.pool import log_pool
from emsync.emotion.sense import Sense
from emsync.emotion.senses import ImageSense, SoundSense
from emsync.types import EMOTIONS, SampledFrame, SoundPatch
from emsync_train.emotion.clip_moments import moments_of_clips, path_of
from emsync_train.emotion.data import (
    CLIP_CLASSES,
    Clip,
    RatedPhotographs,
    clip_groups,
    series_of,
    theme_of,
)
from emsync_train.emotion.fit import fit_logistic, fit_pool, fit_ridge, fit_temperature, group_folds
from emsync_train.emotion.head_report import choices_of, report
from emsync_train.emotion.measure import accuracy, expected_calibration_error, log_loss, macro_f1
from emsync_train.emotion.rows import cross_calibrated, held_out, make_rows
from emsync_train.emotion.train_head import class_affect, class_to_emotion, fit_head


def test_ridge_finds_a_linear_map_and_its_offset() -> None:
    inputs = np.random.default_rng(0).normal(size=(200, 3))
    targets = inputs @ np.array([[1.0], [-2.0], [0.5]]) + 4
    fitted = fit_ridge(inputs, targets, penalty=1e-6)
    assert fitted(np.array([[1.0, 1.0, 1.0]]))[0, 0] == pytest.approx(3.5, abs=1e-3)


def test_a_heavy_penalty_predicts_the_mean() -> None:
    inputs = np.random.default_rng(0).normal(size=(50, 3))
    fitted = fit_ridge(inputs, inputs[:, :1] + 7, penalty=1e9)
    assert fitted(inputs[:1])[0, 0] == pytest.approx(7 + inputs[:, 0].mean(), abs=1e-3)


def test_logistic_regression_matches_the_odds_of_its_data() -> None:
    inputs = np.array([[1.0, 0.0]] * 100 + [[0.0, 1.0]] * 100)
    labels = np.array([0] * 80 + [1] * 20 + [0] * 30 + [1] * 70)
    logits = fit_logistic(inputs, np.eye(2)[labels], penalty=1e-9)(np.eye(2))
    odds = np.exp(logits[:, 0] - logits[:, 1])
    assert odds == pytest.approx([4.0, 3 / 7], rel=0.02)


def test_overconfident_logits_get_a_temperature_above_one() -> None:
    labels = np.array([0] * 75 + [1] * 25)
    logits = np.tile([2 * np.log(3), 0.0], (100, 1))  # claims 0.9, right in 0.75: divide by 2
    assert fit_temperature(logits, labels) == pytest.approx(2.0, rel=0.02)


def test_the_pool_trusts_the_sense_that_is_right() -> None:
    labels = np.array([0, 1] * 50)
    right = np.where(np.eye(2)[labels] == 1, 0.8, 0.2)
    guess = np.random.default_rng(0).dirichlet([2, 2], 100)
    assert fit_pool({"image": right, "sound": guess}, labels).weights["image"] > 0.9
    assert fit_pool({"image": guess, "sound": right}, labels).weights["image"] < 0.1


def test_three_senses_that_err_apart_are_surer_together() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 6000)
    # each sense is right in 0.7 of the cases and says so: together 0.343 / (0.343 + 0.027) = 0.927
    says = {
        name: np.where((labels ^ (generator.random(6000) < 0.3))[:, None] == [0, 1], 0.7, 0.3)
        for name in ("image", "sound", "craft")
    }
    pool = fit_pool(says, labels)
    assert sum(pool.weights.values()) == pytest.approx(1)
    assert pool.weights["craft"] == pytest.approx(1 / 3, abs=0.05)
    sure = {name: np.array([[0.7, 0.3]]) for name in says}
    spoke = {name: np.array([True]) for name in says}
    together = log_pool(sure, spoke, weights=pool.weights, temperature=pool.temperature)
    assert together[0, 0] == pytest.approx(0.927, abs=0.02)


def test_a_sense_pooled_alone_is_left_as_it_is() -> None:
    pool = fit_pool({"sound": np.array([[0.9, 0.1]])}, np.array([1]))
    assert (pool.weights, pool.temperature) == ({"sound": 1.0}, 1.0)


def test_a_group_is_never_split_over_folds() -> None:
    groups = [index // 3 for index in range(90)]
    folds = group_folds(groups, folds=7, seed=1)
    assert all(len(set(folds[3 * index : 3 * index + 3])) == 1 for index in range(30))
    assert set(folds.tolist()) == set(range(7))
    assert (folds == group_folds(groups, folds=7, seed=1)).all()


def test_macro_f1_by_pencil() -> None:
    predicted, labels = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert accuracy(predicted, labels) == 0.75
    assert macro_f1(predicted, labels) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_calibration_error_by_pencil() -> None:
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.65, 0.35]] * 4)
    labels = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    # bins: 0.95 against 0.75, and 0.65 against 0.50, half of the items each
    assert expected_calibration_error(probabilities, labels) == pytest.approx((0.20 + 0.15) / 2)


def test_log_loss_by_pencil() -> None:
    assert log_loss(np.array([[0.5, 0.5], [0.75, 0.25]]), np.array([0, 1])) == pytest.approx(np.log(8) / 2)


def test_senses_are_measured_alone_together_and_all_but_one() -> None:
    chosen = choices_of(["image", "sound", "craft"])
    assert list(chosen) == [
        "image",
        "sound",
        "craft",
        "all",
        "all but image",
        "all but sound",
        "all but craft",
    ]
    assert chosen["all but sound"] == ("image", "craft")


def test_names_tell_theme_and_series() -> None:
    assert theme_of("Sad face 5.jpg") == "Sad face"
    assert series_of("test_LLT_TENS10-5-of-9") == series_of("Validation_LLT_TENS6-5-of-9") == "LLT_TENS"
    assert series_of("Train_14") == ""


def test_clips_of_one_series_or_alike_stay_together_and_numbered_ones_do_not() -> None:
    pictures, sounds = np.random.default_rng(0).normal(size=(2, 7, 400))
    pictures[4] = pictures[0] + 0.01
    sounds[6] = sounds[5] + 0.01
    groups = clip_groups(["a", "a", "", "", "", "", ""], pictures, sounds)
    assert groups[0] == groups[1] == groups[4]
    assert groups[5] == groups[6]
    assert len(set(groups.tolist())) == 4


def test_every_clip_class_stands_for_a_distribution() -> None:
    table = class_to_emotion()
    assert table.shape == (len(CLIP_CLASSES), len(EMOTIONS))
    assert table.sum(axis=1) == pytest.approx(np.ones(len(CLIP_CLASSES)))


def test_the_affect_of_the_classes_holds_a_calm_and_a_neutral_one() -> None:
    affect = dict(zip(CLIP_CLASSES, class_affect().tolist(), strict=True))
    assert affect["Neutral"] == [0, 0]
    assert affect["Relaxation"][0] > 0 > affect["Relaxation"][1]


class MeanColour:
    """Stands in for the network: the colour of the upper left corner."""

    name = "efficientnet_lite0"
    dimension = 3

    def extract(self, pieces: NDArray[np.uint8], /) -> NDArray[np.float32]:
        return np.asarray(pieces[:, 0, 0] / 255, dtype=np.float32)


class Loudness:
    """Stands in for the network that hears: the mean square of a patch."""

    name = "yamnet"
    dimension = 2

    def extract(self, pieces: NDArray[np.float32], /) -> NDArray[np.float32]:
        loudness = (pieces**2).mean(axis=1)
        return np.stack([loudness, 1 - loudness], axis=1).astype(np.float32)


def sounding(generator: np.random.Generator, count: int, level: float) -> NDArray[np.float32]:
    """Patches near this level."""
    return (level + generator.uniform(-0.05, 0.05, (count, 1)) * np.ones(15_600)).astype(np.float32)


def coloured(generator: np.random.Generator, count: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Frames near this colour, with a black stripe so that there is something to see."""
    frames = np.zeros((count, 224, 224, 3), dtype=np.uint8)
    frames[:, :200] = np.array(colour) + generator.integers(-20, 20, (count, 1, 1, 3))
    return frames


def seen(frames: NDArray[np.uint8]) -> Moments:
    """What is seen in a clip of one frame a second."""
    sense = ImageSense(MeanColour())
    for index, rgb in enumerate(frames):
        sense.accept_frame(SampledFrame(index + 0.5, rgb))
    return sense.moments()


def heard(patches: NDArray[np.float32]) -> Moments:
    """What is heard in a clip of one patch a second."""
    sense = SoundSense(Loudness())
    for index, samples in enumerate(patches):
        sense.accept_sound(SoundPatch(index + 0.5, samples))
    return sense.moments()


class Colour(Sense):
    """How red each frame is; counts the clips it was shown."""

    name, feature_name, dimension = "colour", "red_1", 1

    def __init__(self) -> None:
        super().__init__()
        self.clips = 0

    def accept_frame(self, frame: SampledFrame) -> None:
        self.clips += not self._times_s
        self.keep(frame.time_s, frame.rgb[..., 0].mean(keepdims=True).ravel() / 255)


def test_a_clip_is_shown_to_a_sense_once_and_then_read_from_disk(tmp_path: Path) -> None:
    path = make_video(tmp_path / "Train_7.mp4", duration_s=10, fps=2, audio_streams=1)
    sense, clips = Colour(), [Clip("Fear", path)]
    first, again = (moments_of_clips(clips, [sense], tmp_path / "cache")[0]["colour"] for _ in range(2))
    assert sense.clips == 1
    assert first.times_s == pytest.approx(np.arange(20) / 2)
    assert (again.values == first.values).all()
    assert path_of(clips[0], sense, tmp_path) == tmp_path / "colour-red_1" / "Fear" / "Train_7.npz"


def test_training_on_made_up_data_tells_pleasant_red_from_sad_blue() -> None:
    generator = np.random.default_rng(0)
    red, blue = (210, 60, 60), (60, 60, 210)
    photographs = RatedPhotographs(
        frames=np.concatenate([coloured(generator, 12, red), coloured(generator, 12, blue)]),
        ratings=np.array([[0.7, 0.4]] * 12 + [[-0.6, -0.3]] * 12),
        themes=tuple(f"theme {index // 2}" for index in range(24)),
    )
    kinds = [("Excited", red, 0.8), ("Sad", blue, 0.3)] * 6
    clips = [Clip(kind[0], Path(f"{index}.mp4")) for index, kind in enumerate(kinds)]
    senses: list[Sense] = [ImageSense(MeanColour()), SoundSense(Loudness())]
    moments = [
        {"image": seen(coloured(generator, 30, colour)), "sound": heard(sounding(generator, 30, level))}
        for _, colour, level in kinds
    ]
    late = moments[1]["sound"].times_s > 10  # the first two sixths of a sad clip are silent
    moments[1]["sound"] = Moments(moments[1]["sound"].times_s[late], moments[1]["sound"].values[late])
    rows = make_rows(photographs, MeanColour(), clips, moments, senses)
    assert (~rows.senses["sound"].is_known).nonzero()[0].tolist() == [6, 7]
    rows = replace(rows, clip_groups=np.arange(len(clips)))  # reds look alike: they would be one group
    unseen = held_out(rows)
    head = fit_head(rows, unseen, {"image": "efficientnet_lite0", "sound": "yamnet"})
    probes = np.concatenate([coloured(generator, 1, red), coloured(generator, 1, blue)])
    loud = Loudness().extract(np.concatenate([sounding(generator, 1, 0.8), sounding(generator, 1, 0.3)]))
    features = {
        "image": SenseFeatures(MeanColour().extract(probes), np.array([True, True])),
        "sound": SenseFeatures(loud, np.array([True, False])),
    }
    probabilities, affect = head.probabilities(features), head.affect(features)
    assert [EMOTIONS[index] for index in probabilities.argmax(axis=1)] == ["joy", "sadness"]
    assert (affect[0] > 0.3).all() and (affect[1] < 0).all()
    figures = report(rows, [unseen, held_out(rows, seed=1)], head)
    assert figures["photographs"]["r_affect_reading"][0] > 0.8
    assert all(figures["segments_of_5_s"][sense]["accuracy"] > 0.95 for sense in ("image", "sound", "all"))
    assert figures["ekman_on_segments"]["largest_class_share"] == 0.5
    assert figures["affect_on_segments"]["rated, all"]["r"][1] > 0.9
    assert figures["data"]["segments_known"] == {"image": 72, "sound": 70}
    assert cross_calibrated(rows, unseen, rows.learned).sum(axis=1) == pytest.approx(np.ones(72))


def test_padding_is_tensorflow_s() -> None:
    pytest.importorskip("onnx")
    from emsync_train.emotion.image_net import same_padding  # noqa: PLC0415

    assert same_padding(3, 1) == [1, 1, 1, 1]
    assert same_padding(3, 2) == [0, 0, 1, 1]
    assert same_padding(5, 2) == [1, 1, 2, 2]
