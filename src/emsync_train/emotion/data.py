"""The rated photographs and labelled clips that the head is fitted to, and who must stay together.

OASIS: Kurdi, Lozano & Banaji 2017, Introducing the Open Affective Standardized Image Set.
Clips: Pandeya, Bhattarai & Lee 2021, music video emotion classes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.audio.sound_patches import sound_patches
from emsync.emotion.features.image import IMAGE_SIZE
from emsync.types import Floats, SampledFrame, SoundPatch

CLIP_CLASSES = ("Excited", "Fear", "Neutral", "Relaxation", "Sad", "Tension")
RATING_MIDDLE, RATING_REACH = 4.0, 3.0
"""OASIS ratings go from 1 to 7: (rating - 4) / 3 lies in [-1, 1]."""

CLIP_S = 30.0
IMAGE_ALIKE, SOUND_ALIKE = 0.55, 0.8
"""Two clips with a larger cosine count as one video."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class RatedPhotographs:
    """`frames` (N, 224, 224, 3); `ratings` (N, 2): valence, arousal in [-1, 1]; `themes`: N names."""

    frames: Frames
    ratings: Floats
    themes: tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """One labelled clip of about 30 s: its class and its file, two frames a second and sound."""

    label: str
    path: Path

    @property
    def series(self) -> str:
        """What its name has in common with others, see `series_of`."""
        return series_of(self.path.stem)

    def frames(self) -> Iterator[SampledFrame]:
        """Every frame, as `emsync.video` hands frames out, at its time from the first."""
        with av.open(str(self.path)) as container:
            start_s: float | None = None
            for frame in container.decode(video=0):
                time_s = float(frame.time or 0.0)
                start_s = time_s if start_s is None else start_s
                rgb = _squeezed(frame.to_ndarray(format="rgb24"))
                yield SampledFrame(time_s - start_s, rgb, frame.width / frame.height)

    def patches(self) -> Iterator[SoundPatch]:
        """Its sound."""
        yield from sound_patches(self.path, duration_s=CLIP_S)


def load_oasis(folder: Path) -> RatedPhotographs:
    """Read `norms.csv` and `images/`, in the order of the table."""
    with (folder / "norms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ratings = [[float(row["Valence_mean"]), float(row["Arousal_mean"])] for row in rows]
    return RatedPhotographs(
        frames=np.stack([_photograph(folder / "images" / row["image"]) for row in rows]),
        ratings=(np.array(ratings) - RATING_MIDDLE) / RATING_REACH,
        themes=tuple(theme_of(row["image"]) for row in rows),
    )


def list_clips(folder: Path) -> list[Clip]:
    """Every `CLASS/NAME.mp4`, sorted by class and name."""
    return [Clip(label, path) for label in CLIP_CLASSES for path in sorted((folder / label).glob("*.mp4"))]


def theme_of(image_name: str) -> str:
    """What a photograph shows, without its number.

    >>> theme_of("Sad face 5.jpg")
    'Sad face'
    """
    return re.sub(r"\s*\d*\.jpg$", "", image_name)


def series_of(clip_name: str) -> str:
    """Clips with similar names may come from one video: the name without split, part and number.

    A name that is only a number belongs to no series and stands for itself.

    >>> series_of("test_LLT_TENS10-5-of-9"), series_of("Validation_LLT_TENS6-5-of-9"), series_of("Train_14")
    ('LLT_TENS', 'LLT_TENS', '')
    """
    name = re.sub(r"^(Train|Validation|test)_", "", clip_name)
    name = re.sub(r"-\d+-of-\d+$", "", name)
    return re.sub(r"\d+$", "", name)


def clip_groups(series: list[str], image: Floats, sound: Floats) -> NDArray[np.int64]:
    """Which clips must stay on one side of a split: same series, nearly the same pictures or the same sound.

    Args:
        image: mean image features of each clip, shape (N, D_image).
        sound: mean compressed sound features of each clip, shape (N, D_sound).
    Returns: shape (N,), equal numbers stay together.
    """
    is_near = (_likeness(image) > IMAGE_ALIKE) | (_likeness(sound) > SOUND_ALIKE)
    groups = np.arange(len(series))
    for first in range(len(series)):
        for second in range(first):
            same_series = series[first] != "" and series[first] == series[second]
            if same_series or is_near[first, second]:
                groups[groups == groups[first]] = groups[second]
    return groups


def _likeness(clip_features: Floats) -> Floats:
    """Cosine of every two clips, features standardised, shape (N, N)."""
    deviations = clip_features - clip_features.mean(axis=0)
    deviations /= clip_features.std(axis=0) + 1e-2
    deviations /= np.linalg.norm(deviations, axis=1, keepdims=True) + 1e-12
    return np.asarray(deviations @ deviations.T)


def _photograph(path: Path) -> Frames:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise FileNotFoundError(path)
    return _squeezed(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def _squeezed(rgb: NDArray[Any]) -> Frames:
    """The whole frame as a square, as `emsync.video` hands it out."""
    return np.asarray(cv2.resize(rgb, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
