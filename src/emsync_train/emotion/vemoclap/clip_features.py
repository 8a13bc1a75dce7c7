"""Features of the labelled clips step by step, for heads that look at time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.image import ImageFeatures, has_picture
from emsync.emotion.features.sound import SoundFeatures, has_sound
from emsync.emotion.head import compressed
from emsync_train.emotion.data import CLIP_CLASSES, Clip, clip_groups, list_clips
from emsync_train.emotion.vemoclap.contract import FILM_INSTANTS, Examples, Features, FeatureSpec

SEGMENTS = 6
"""A clip of 30 s in segments of 5 s, as in `emsync_train.emotion.rows`."""

BATCH_PIECES = 8
SPECS = (
    FeatureSpec(ImageFeatures.name, ImageFeatures.dimension),
    FeatureSpec(SoundFeatures.name, SoundFeatures.dimension),
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Steps:
    """One sense of one clip: features (T, D), and which of them say anything (T,)."""

    features: Features
    is_known: Mask

    def parts(self, count: int) -> Iterator[Features | None]:
        """Compressed features of each `count`-th of the time, shape (T', D); None where nothing is said."""
        for numbers in np.array_split(np.arange(len(self.features)), count):
            known = numbers[self.is_known[numbers]]
            yield np.asarray(compressed(self.features[known]), np.float32) if len(known) else None


@dataclass(frozen=True)
class ClipFeatures:
    """Picture (2 a second) and sound (one per 0.975 s) of every clip, with classes and groups (N,)."""

    image: Sequence[Steps]
    sound: Sequence[Steps]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def segments(self) -> Examples:
        """Every clip in six, in order."""
        pairs = zip(self.image, self.sound, strict=True)
        films = [
            film
            for image, sound in pairs
            for film in zip(image.parts(SEGMENTS), sound.parts(SEGMENTS), strict=True)
        ]
        return Examples(SPECS, films, self.labels.repeat(SEGMENTS), self.groups.repeat(SEGMENTS))

    def whole(self) -> Examples:
        """Every clip as one film: the picture at 16 instants, as in the paper, and all of the sound."""
        films = []
        for image, sound in zip(self.image, self.sound, strict=True):
            seen = next(image.parts(1))
            films.append((None if seen is None else seen[instants(len(seen))], next(sound.parts(1))))
        return Examples(SPECS, films, self.labels, self.groups)


def instants(frame_count: int, wanted: int = FILM_INSTANTS) -> NDArray[np.int64]:
    """Numbers of frames in the middle of `wanted` equal parts of a film; a frame may serve twice.

    >>> instants(8, 4).tolist(), instants(2, 4).tolist()
    ([1, 3, 5, 7], [0, 0, 1, 1])
    """
    return ((np.arange(wanted) + 0.5) * frame_count / wanted).astype(np.int64)


def read_clip_features(folder: Path, *, cache: Path | None = None) -> ClipFeatures:
    """Run the shipped networks over `CLASS/NAME.mp4`, or read what an earlier run kept."""
    if cache is not None and cache.exists():
        with np.load(cache, allow_pickle=False) as kept:
            return _from_arrays(dict(kept))
    clips = list_clips(folder)
    features = _extracted(clips)
    if cache is not None:
        np.savez(cache, **_as_arrays(features))  # type: ignore[arg-type]
    return features


def _extracted(clips: Sequence[Clip]) -> ClipFeatures:
    image, sound = ImageFeatures.load(threads=1), SoundFeatures.load(threads=1)
    seen, heard = [], []
    for clip in clips:
        frames = np.stack([frame.rgb for frame in clip.frames()])
        patches = np.stack([patch.samples for patch in clip.patches()])
        seen.append(_steps(image.extract, frames, np.array([has_picture(frame) for frame in frames])))
        heard.append(_steps(sound.extract, patches, np.array([has_sound(patch) for patch in patches])))
    labels = np.array([CLIP_CLASSES.index(clip.label) for clip in clips])
    return ClipFeatures(seen, heard, labels, _groups(clips, seen, heard))


def _steps(extract: Callable[[Any], Features], pieces: NDArray[Any], is_known: Mask) -> Steps:
    starts = range(0, len(pieces), BATCH_PIECES)
    return Steps(
        np.concatenate([extract(pieces[start : start + BATCH_PIECES]) for start in starts]), is_known
    )


def _groups(clips: Sequence[Clip], seen: Sequence[Steps], heard: Sequence[Steps]) -> NDArray[np.int64]:
    """The groups of `emsync_train.emotion.rows`, from means over the same segments."""
    return clip_groups(
        [clip.series for clip in clips],
        np.stack([_segment_means(steps, sqrt=False) for steps in seen]),
        np.stack([_segment_means(steps, sqrt=True) for steps in heard]),
    )


def _segment_means(steps: Steps, *, sqrt: bool) -> NDArray[np.float64]:
    """Mean over segments of the mean features of each, shape (D,); `sqrt` compresses in between."""
    rows = np.zeros((SEGMENTS, steps.features.shape[1]))
    for row, part in zip(rows, steps.parts(SEGMENTS), strict=True):
        if part is not None:
            row[:] = np.square(part, dtype=np.float64).mean(axis=0)
    return np.asarray((np.sqrt(rows) if sqrt else rows).mean(axis=0))


def _as_arrays(features: ClipFeatures) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {"labels": features.labels, "groups": features.groups}
    for name, sense in (("image", features.image), ("sound", features.sound)):
        arrays[f"{name}_lengths"] = np.array([len(steps.features) for steps in sense])
        arrays[f"{name}_features"] = np.concatenate([steps.features for steps in sense])
        arrays[f"{name}_is_known"] = np.concatenate([steps.is_known for steps in sense])
    return arrays


def _from_arrays(arrays: dict[str, NDArray[np.generic]]) -> ClipFeatures:
    senses: list[list[Steps]] = []
    for name in ("image", "sound"):
        ends = np.cumsum(arrays[f"{name}_lengths"])[:-1]
        parts = (np.split(arrays[f"{name}_{part}"], ends) for part in ("features", "is_known"))
        senses.append([Steps(values, known) for values, known in zip(*parts, strict=True)])
    image, sound = senses
    return ClipFeatures(image, sound, arrays["labels"], arrays["groups"])  # type: ignore[arg-type]
