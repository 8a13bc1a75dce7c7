"""Ekman-6: videos of six emotions (Xu et al. 2018, Heterogeneous knowledge transfer in video emotion recognition).

    DIR/videos/Anger/1.mp4 ...              one folder an emotion: Anger Disgust Fear Joy Sadness Surprise
    DIR/train.txt, DIR/test.txt             a line a video: Anger/1.mp4, a class number after it is allowed
    DIR/features/clip/Anger/1.npy ...       what `extract` writes: (T, D) float32, (0, D) where nothing is said

The six folders and the numbered names are those that public descriptions of the data set show; the names of the two
lists could not be verified, see docs/vemoclap.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from emsync.errors import InputError
from emsync.types import EMOTIONS
from emsync_train.emotion.vemoclap.contract import Examples, Features, FeatureSpec

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
LAYOUT = "Ekman-6 is expected as docs/vemoclap.md shows: videos/Anger/1.mp4 ..., train.txt and test.txt."


@dataclass(frozen=True)
class Ekman6Video:
    """One line of a list: `name` without suffix ("Anger/1"), class number in the order of `EMOTIONS`, side."""

    name: str
    label: int
    split: Split
    path: Path


def load_ekman6(folder: Path) -> tuple[Ekman6Video, ...]:
    """All videos of both lists, in their order; whether the files are there is asked by `check_videos`.

    Raises: InputError, one line, if a list is missing or empty, a line cannot be read, or a video is listed twice.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. {LAYOUT}")
    videos = [video for split in SPLITS for video in _read_list(folder, split)]
    names = [video.name for video in videos]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(
            f"{folder}: {twice[0]} is listed more than once; a video is trained on or tested on. {LAYOUT}"
        )
    return tuple(videos)


def _read_list(folder: Path, split: Split) -> list[Ekman6Video]:
    path = folder / f"{split}.txt"
    if not path.is_file():
        raise InputError(f"{path}: no such file. {LAYOUT}")
    lines = path.read_text(encoding="utf-8").splitlines()
    videos = [
        _read_line(folder, path, number, line, split) for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not videos:
        raise InputError(f"{path}: the list is empty. {LAYOUT}")
    return videos


def _read_line(folder: Path, path: Path, number: int, line: str, split: Split) -> Ekman6Video:
    text = line.strip()
    head, _, last = text.rpartition(" ")
    name = PurePosixPath(head.strip() if head and last.isdigit() else text)
    parts = name.parts
    if len(parts) != 2 or parts[0].lower() not in EMOTIONS or ".." in parts:
        raise InputError(f"{path}, line {number}: {text!r} does not name a video like Anger/1.mp4. {LAYOUT}")
    stem = f"{parts[0].capitalize()}/{name.stem if name.suffix else name.name}"
    video = folder / "videos" / parts[0] / (name.name if name.suffix else f"{name.name}.mp4")
    return Ekman6Video(stem, EMOTIONS.index(parts[0].lower()), split, video)


def check_videos(videos: Sequence[Ekman6Video]) -> None:
    """Make sure that every listed video is there.

    Raises: InputError that names the first missing one.
    """
    absent = [video.path for video in videos if not video.path.is_file()]
    if absent:
        raise InputError(f"{absent[0]}: {len(absent)} of {len(videos)} listed videos are not there. {LAYOUT}")


def features_path(folder: Path, modality: str, video: Ekman6Video) -> Path:
    """Where the features of one video lie."""
    return folder / "features" / modality / f"{video.name}.npy"


def write_features(path: Path, features: Features | None, dimension: int) -> None:
    """Keep features; a modality that says nothing is kept as (0, D), so that it is not asked again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((0, dimension), np.float32) if features is None else features, allow_pickle=False)


def load_features(folder: Path, videos: Sequence[Ekman6Video], modalities: Sequence[str]) -> Examples:
    """Extracted features of these videos; every video is its own group, for no list says who belongs together.

    Raises: InputError if a file is missing or of another shape than its neighbours.
    """
    columns = [
        [_read_features(features_path(folder, name, video)) for video in videos] for name in modalities
    ]
    specs = tuple(_spec(folder, name, column) for name, column in zip(modalities, columns, strict=True))
    rows = [tuple(values if len(values) else None for values in row) for row in zip(*columns, strict=True)]
    return Examples(specs, rows, np.array([video.label for video in videos]), np.arange(len(videos)))


def _read_features(path: Path) -> Features:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no features ({error}). Run `emsync_train.emotion.vemoclap.extract`."
        ) from error
    if values.ndim != 2 or values.dtype != np.float32 or not np.isfinite(values).all():
        raise InputError(
            f"{path}: finite float32 (T, D) expected, got {values.dtype} {values.shape}. Extract it anew."
        )
    return np.asarray(values, np.float32)


def _spec(folder: Path, modality: str, column: Sequence[Features]) -> FeatureSpec:
    lengths = sorted({values.shape[1] for values in column})
    if len(lengths) != 1:
        raise InputError(
            f"{folder / 'features' / modality}: vectors of lengths {lengths}; they come from different networks. "
            "Delete the folder and extract anew."
        )
    return FeatureSpec(modality, lengths[0])
