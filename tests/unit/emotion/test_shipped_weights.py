"""The weights that come with the package, on pictures drawn here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emsync.emotion.classifier import EmotionClassifier
from emsync.emotion.features.image import ImageFeatures, open_session
from emsync.errors import WeightsError
from emsync.types import SampledFrame, Shot
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
        open_session(b"no network", 1)


def test_the_shipped_classifier_gives_distributions_that_depend_on_the_picture() -> None:
    watcher = EmotionClassifier.load(threads=1)
    for index, rgb in enumerate(drawn_frames(3)):
        watcher.accept(SampledFrame(float(index), rgb))
    emotions = watcher.classify([Shot(0, 1), Shot(1, 2), Shot(2, 3)])
    values = np.array([emotion.probabilities.values for emotion in emotions])
    assert values.sum(axis=1) == pytest.approx(np.ones(3))
    assert np.abs(values[0] - values[1]).max() > 0.01


def test_the_shipped_classifier_says_the_same_twice() -> None:
    def seen_once() -> tuple[float, ...]:
        watcher = EmotionClassifier.load(threads=1)
        watcher.accept(SampledFrame(0.0, drawn_frames(1)[0]))
        return watcher.classify([Shot(0, 1)])[0].probabilities.values

    assert seen_once() == seen_once()


@pytest.mark.parametrize("name", ["efficientnet_lite0.int8.onnx", "emotion_head.json"])
def test_an_altered_weights_file_is_refused(tmp_path: Path, name: str) -> None:
    for file in ("weights.json", "efficientnet_lite0.int8.onnx", "emotion_head.json"):
        shutil.copy(ASSETS / file, tmp_path / file)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"altered.*{name}"):
        EmotionClassifier.load(folder=tmp_path)
