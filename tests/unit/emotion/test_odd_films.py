"""The shipped classifier on films that lack what a sense needs: it stays finite, fast, and says who spoke."""

import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.media import make_video

from emsync.emotion.affect import to_affect_curve
from emsync.emotion.classifier import EmotionClassifier
from emsync.options import AffectOptions
from emsync.types import SampledFrame, Shot, ShotEmotion, SoundPatch
from emsync.video.cuts import detector_named, shots_between
from emsync.video.frames import scan
from emsync.video.probe import probe


@pytest.fixture
def watcher() -> EmotionClassifier:
    return EmotionClassifier.load(threads=1)


def blobs(seed: int = 5) -> NDArray[np.uint8]:
    """Soft blobs of colour: not noise, not flat, no face."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
    return coarse.repeat(32, axis=0).repeat(32, axis=1)


def tone(level: float = 0.3) -> NDArray[np.float32]:
    return (level * np.sin(np.arange(15_600) * 0.17)).astype(np.float32)


def assert_sound(shots: tuple[ShotEmotion, ...]) -> None:
    """Every number can be used."""
    values = np.array([(*shot.probabilities.values, shot.valence, shot.arousal) for shot in shots])
    assert np.isfinite(values).all()
    assert values[:, :6].sum(axis=1) == pytest.approx(np.ones(len(shots)))


def test_a_film_without_faces_and_sound_is_judged_by_image_and_craft(watcher: EmotionClassifier) -> None:
    for time_s in range(4):
        watcher.accept(SampledFrame(float(time_s), blobs(), 16 / 9))
    (shot,) = watcher.classify([Shot(0, 4)])
    assert shot.senses == ("image", "craft")
    assert_sound((shot,))


def test_a_silent_track_is_as_good_as_none(watcher: EmotionClassifier) -> None:
    other = EmotionClassifier.load(threads=1)
    for time_s in range(4):
        for one in (watcher, other):
            one.accept(SampledFrame(float(time_s), blobs()))
        watcher.accept_sound(SoundPatch(float(time_s), np.zeros(15_600, np.float32)))
    assert watcher.classify([Shot(0, 4)]) == other.classify([Shot(0, 4)])


def test_a_black_film_with_sound_is_judged_by_its_sound(watcher: EmotionClassifier) -> None:
    for time_s in range(4):
        watcher.accept(SampledFrame(float(time_s), np.zeros((224, 224, 3), np.uint8)))
        watcher.accept_sound(SoundPatch(time_s + 0.5, tone()))
    (shot,) = watcher.classify([Shot(0, 4)])
    assert shot.senses == ("sound",)
    assert_sound((shot,))


def test_shots_of_one_frame_each_are_all_judged(tmp_path: Path, watcher: EmotionClassifier) -> None:
    cuts_s = tuple(np.arange(1, 10) * 0.25)
    path = make_video(tmp_path / "fast.mp4", duration_s=2.5, fps=4, cuts_s=cuts_s)
    found = scan(probe(path), detector=detector_named("content"), frames_per_s=1.0, on_frame=watcher.accept)
    assert len(found.cuts) >= 5
    shots = watcher.classify(shots_between(found.cuts, found.duration_s))
    assert all("image" in shot.senses for shot in shots)
    assert_sound(shots)


def test_a_film_of_a_single_frame_is_judged_by_the_image_alone(watcher: EmotionClassifier) -> None:
    watcher.accept(SampledFrame(0.0, blobs()))
    (shot,) = watcher.classify([Shot(0, 0.04)])
    assert shot.senses == ("image",)


def test_a_still_picture_shown_for_long_keeps_one_mood(watcher: EmotionClassifier) -> None:
    for time_s in range(60):
        watcher.accept(SampledFrame(time_s + 0.5, blobs()))
    shots = watcher.classify([Shot(float(start), start + 10.0) for start in range(0, 60, 10)])
    affects = np.array([(shot.valence, shot.arousal) for shot in shots])
    assert np.ptp(affects, axis=0) == pytest.approx([0, 0], abs=1e-3)
    assert len(to_affect_curve(shots, 60.0, AffectOptions()).points) == 2


def test_ten_thousand_cuts_are_judged_within_seconds(watcher: EmotionClassifier) -> None:
    for time_s in range(40):
        watcher.accept(SampledFrame(float(time_s), blobs(time_s), 16 / 9))
        watcher.accept_sound(SoundPatch(float(time_s), tone()))
    edges_s = np.linspace(0, 400, 10_001)
    before_s = time.process_time()
    shots = watcher.classify([Shot(start, end) for start, end in pairwise(edges_s)])
    curve = to_affect_curve(shots, 400.0, AffectOptions())
    assert time.process_time() - before_s < 5
    assert len(shots) == 10_000
    assert len(curve.points) <= 2 + 2 * 400
    assert_sound(shots)


def test_memory_does_not_grow_with_the_features_of_all_shots(watcher: EmotionClassifier) -> None:
    """Their means would be 9 kB a shot, and what the head makes of them 30 kB."""
    watcher.accept(SampledFrame(0.0, blobs(), 16 / 9))
    watcher.accept_sound(SoundPatch(0.5, tone()))
    shots = [Shot(float(start), start + 1.0) for start in range(3000)]
    tracemalloc.start()
    found = watcher.classify(shots)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 3000
    assert peak_bytes < 20_000_000


def test_a_shot_is_judged_alike_among_few_and_among_many(watcher: EmotionClassifier) -> None:
    for time_s in range(4):
        watcher.accept(SampledFrame(float(time_s), blobs(time_s), 16 / 9))
    shots = [Shot(number * 0.01, number * 0.01 + 0.01) for number in range(400)]
    among_many, alone = watcher.classify(shots)[300], watcher.classify(shots[300:301])[0]
    assert among_many.probabilities.values == pytest.approx(alone.probabilities.values)
    assert (among_many.valence, among_many.arousal) == pytest.approx((alone.valence, alone.arousal))
