"""The weights that come with the package, on pictures and sounds made here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.classifier import EmotionClassifier
from emsync.emotion.features.image import ImageFeatures
from emsync.emotion.features.session import open_session
from emsync.emotion.features.sound import SoundFeatures
from emsync.errors import WeightsError
from emsync.types import SampledFrame, Shot, SoundPatch
from emsync.weights import ASSETS


@pytest.fixture(scope="module")
def network() -> ImageFeatures:
    return ImageFeatures.load(threads=1)


def drawn_frames(count: int) -> NDArray[np.uint8]:
    """Soft blobs of colour: not noise, not flat."""
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (count, 7, 7, 3)).astype(np.uint8)
    return coarse.repeat(32, axis=1).repeat(32, axis=2)


def test_features_have_the_promised_shape_and_range(network: ImageFeatures) -> None:
    features = network.extract(drawn_frames(3))
    assert features.shape == (3, 1280)
    assert 0 <= features.min() < features.max() <= 6.1


def test_a_frame_has_the_same_features_alone_as_in_a_batch(network: ImageFeatures) -> None:
    frames = drawn_frames(4)
    assert network.extract(frames)[2] == pytest.approx(network.extract(frames[2:3])[0], abs=1e-4)


def test_mirroring_a_picture_changes_its_features_less_than_another_picture(network: ImageFeatures) -> None:
    frame, other = drawn_frames(2)
    features = network.extract(np.stack([frame, frame[:, ::-1], other]))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert features[0] @ features[1] > features[0] @ features[2]


def test_frames_of_another_shape_are_refused(network: ImageFeatures) -> None:
    with pytest.raises(ValueError, match="uint8 frames"):
        network.extract(np.zeros((1, 3, 224, 224), dtype=np.uint8))


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(WeightsError, match="cannot be loaded by onnxruntime"):
        open_session(b"no network", 1, what="image features")


def test_the_shipped_classifier_gives_distributions_that_depend_on_the_picture() -> None:
    watcher = EmotionClassifier.load(threads=1)
    for index, rgb in enumerate(drawn_frames(3)):
        watcher.accept(SampledFrame(10.0 * index, rgb // (1 + 2 * index)))  # bright, dim, dark
    emotions = watcher.classify([Shot(0, 10), Shot(10, 20), Shot(20, 30)])
    values = np.array([emotion.probabilities.values for emotion in emotions])
    assert values.sum(axis=1) == pytest.approx(np.ones(3))
    assert np.abs(values[0] - values[1]).max() > 0.01


@pytest.fixture(scope="module")
def listener() -> SoundFeatures:
    return SoundFeatures.load(threads=1)


def made_sounds() -> NDArray[np.float32]:
    """A sine tone, white noise, and clicks twice a second, 0.975 s each."""
    times_s = np.arange(15_600) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * times_s)
    noise = 0.1 * np.random.default_rng(3).standard_normal(15_600)
    clicks = 0.9 * (np.arange(15_600) % 8000 < 8)
    return np.stack([tone, noise, clicks]).astype(np.float32)


def test_sound_features_have_the_promised_shape_and_range(listener: SoundFeatures) -> None:
    features, scores = listener.extract(made_sounds()), listener.scores(made_sounds())
    assert (features.shape, scores.shape) == ((3, 1024), (3, 521))
    assert 0 <= features.min() < features.max() <= 6
    assert 0 <= scores.min() < scores.max() <= 1


def test_yamnet_names_a_tone_and_noise(listener: SoundFeatures) -> None:
    sine_wave, silence, white_noise = 495, 494, 515  # in yamnet_class_map.csv
    scores = listener.scores(np.concatenate([made_sounds(), np.zeros((1, 15_600), np.float32)]))
    assert sine_wave in scores[0].argsort()[-3:]
    assert white_noise in scores[1].argsort()[-8:]
    assert scores[3].argmax() == silence


def test_a_patch_has_the_same_features_alone_as_in_a_batch(listener: SoundFeatures) -> None:
    sounds = made_sounds()
    assert listener.extract(sounds)[1] == pytest.approx(listener.extract(sounds[1:2])[0], abs=1e-4)


def test_patches_of_another_shape_or_with_broken_samples_are_refused(listener: SoundFeatures) -> None:
    with pytest.raises(ValueError, match="float32 patches"):
        listener.extract(np.zeros((1, 16_000), dtype=np.float32))
    with pytest.raises(ValueError, match="float32 patches"):
        listener.extract(np.zeros((1, 15_600)))
    with pytest.raises(WeightsError, match="not finite"):
        listener.extract(np.full((1, 15_600), np.nan, dtype=np.float32))


def test_what_is_heard_changes_what_the_shipped_classifier_feels() -> None:
    def felt(*sounds: NDArray[np.float32]) -> tuple[float, ...]:
        watcher = EmotionClassifier.load(threads=1)
        watcher.accept(SampledFrame(0.5, drawn_frames(1)[0]))
        for samples in sounds:
            watcher.accept_sound(SoundPatch(0.5, samples))
        shot = watcher.classify([Shot(0, 1)])[0]
        return (*shot.probabilities.values, shot.valence, shot.arousal)

    tone, noise, _ = made_sounds()
    assert np.abs(np.subtract(felt(), felt(tone))).max() > 0.01
    assert np.abs(np.subtract(felt(noise), felt(tone))).max() > 0.01


def test_the_shipped_classifier_knows_nothing_of_a_dark_and_silent_film() -> None:
    watcher = EmotionClassifier.load(threads=1)
    watcher.accept(SampledFrame(0.5, np.zeros((224, 224, 3), np.uint8)))
    watcher.accept_sound(SoundPatch(0.5, np.zeros(15_600, np.float32)))
    shot = watcher.classify([Shot(0, 1)])[0]
    assert (shot.valence, shot.arousal, shot.senses) == (
        pytest.approx(0, abs=1e-3),
        pytest.approx(0, abs=1e-3),
        (),
    )
    assert shot.probabilities.values == pytest.approx([1 / 6] * 6, abs=1e-3)


def test_the_shipped_classifier_says_the_same_twice() -> None:
    def seen_once() -> tuple[float, ...]:
        watcher = EmotionClassifier.load(threads=1)
        watcher.accept(SampledFrame(0.0, drawn_frames(1)[0]))
        return watcher.classify([Shot(0, 1)])[0].probabilities.values

    assert seen_once() == seen_once()


WEIGHTS = (
    "efficientnet_lite0.int8.onnx",
    "yamnet.onnx",
    "face_detector.onnx",
    "face_expression.onnx",
    "emotion_head.json",
)


@pytest.mark.parametrize("name", WEIGHTS)
def test_an_altered_weights_file_is_refused(tmp_path: Path, name: str) -> None:
    for file in ("weights.json", *WEIGHTS):
        shutil.copy(ASSETS / file, tmp_path / file)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"altered.*{name}"):
        EmotionClassifier.load(folder=tmp_path)
