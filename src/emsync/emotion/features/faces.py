"""What faces express: BlazeFace finds them, a small network names the expression of each.

Both were trained by their authors and are frozen, converted by `emsync_train.emotion.convert_faces`.
BlazeFace: Bazarevsky et al. 2019 (arXiv:1907.05047), the short-range model of MediaPipe. The expressions are
the seven of FER-2013 (Goodfellow et al. 2013), in the order of `emsync.types.NAMED`; on that set's own test the
network is right in about half of the cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emsync.emotion.features.network import NetworkFeatures
from emsync.types import NAMED, Floats
from emsync.weights import ASSETS

FACE_DETECTOR, FACE_EXPRESSION = "face_detector", "face_expression"
"""Names of the weights in the manifest."""

FACES_NAME = "blazeface_fer"
DETECTED_SIZE, EXPRESSION_SIZE = 128, 64
ANCHOR_COUNT = 896
NUMBERS_PER_ANCHOR = 17
"""A score and a box (centre, size, six key points of two numbers each)."""

MINIMUM_SCORE = 0.78
"""Chosen by a look at free films: above it nearly all detections were faces, below it logos and round shapes."""

LARGEST_OVERLAP = 0.3
CROP_SCALE = 1.2
"""BlazeFace's box ends at the mouth; expressions were learned on whole faces."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FaceBox:
    """Where a face is, in shares of the frame's width and height, and how sure the detector is."""

    centre_x: float
    centre_y: float
    width: float
    height: float
    score: float


class FaceDetector(NetworkFeatures):
    """BlazeFace: square RGB pictures (N, 128, 128, 3) to numbers for each anchor (N, 896, 17)."""

    name = "blazeface_short_range"
    dimension = NUMBERS_PER_ANCHOR
    weights = FACE_DETECTOR
    input_name, output_name = "rgb", "faces"
    piece_name = "pictures"
    piece_shape = (DETECTED_SIZE, DETECTED_SIZE, 3)
    piece_dtype = np.uint8


class FaceExpression(NetworkFeatures):
    """The expression of grey faces (N, 64, 64, 1), probabilities (N, 7) over `NAMED`."""

    name = "fer"
    dimension = len(NAMED)
    weights = FACE_EXPRESSION
    input_name, output_name = "grey", "probabilities"
    piece_name = "faces"
    piece_shape = (EXPRESSION_SIZE, EXPRESSION_SIZE, 1)
    piece_dtype = np.uint8


class FaceReader:
    """Finds faces in a frame and says what they express together."""

    def __init__(self, detector: FaceDetector, expression: FaceExpression) -> None:
        self._detector = detector
        self._expression = expression

    @classmethod
    def load(cls, threads: int = 0, folder: Path = ASSETS) -> FaceReader:
        """Read both networks. Raises: WeightsError."""
        return cls(FaceDetector.load(threads, folder), FaceExpression.load(threads, folder))

    def read(self, rgb: Pixels, aspect: float) -> Floats | None:
        """Probabilities over `NAMED`, shape (7,), the mean of the faces weighted by area; None without a face.

        Args:
            rgb: the whole frame squeezed to 224 x 224.
            aspect: width over height of the frame as displayed.
        """
        picture = unsqueezed(rgb, aspect)
        boxes = self.find(picture)
        if not boxes:
            return None
        faces = np.stack([grey_face(picture, box) for box in boxes])
        areas = np.array([box.width * box.height for box in boxes])
        named = np.average(self._expression.extract(faces), axis=0, weights=areas).astype(np.float64)
        return np.asarray(named / named.sum())

    def find(self, picture: Pixels) -> list[FaceBox]:
        """The faces in a picture (H, W, 3) of true proportions, surest first."""
        square = letterboxed(picture)
        height, width = picture.shape[:2]
        longest = max(height, width)
        scale = np.array([longest / width, longest / height])
        return [_in_picture(box, scale) for box in boxes_of(self._detector.extract(square[None])[0])]


def unsqueezed(rgb: Pixels, aspect: float) -> Pixels:
    """A frame of 224 x 224 given its true proportions again; the longer side stays 224."""
    size = rgb.shape[0]
    width = size if aspect >= 1 else max(1, round(size * aspect))
    height = size if aspect <= 1 else max(1, round(size / aspect))
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def letterboxed(picture: Pixels) -> Pixels:
    """The picture in the middle of a black square of 128 x 128."""
    height, width = picture.shape[:2]
    scale = DETECTED_SIZE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    left, top = (DETECTED_SIZE - size[0]) // 2, (DETECTED_SIZE - size[1]) // 2
    square = np.zeros((DETECTED_SIZE, DETECTED_SIZE, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = small
    return square


def anchors() -> Floats:
    """Centres that BlazeFace's boxes count from, shape (896, 2), in (0, 1): two on a grid of 16, six on one of 8."""
    return np.concatenate([_grid(16).repeat(2, axis=0), _grid(8).repeat(6, axis=0)])


def _grid(size: int) -> Floats:
    centres = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def boxes_of(numbers: NDArray[np.float32]) -> list[FaceBox]:
    """Faces in the square, surest first, one for each place; `numbers` has shape (896, 17)."""
    scores = 1 / (1 + np.exp(-np.clip(numbers[:, 0].astype(np.float64), -80, 80)))
    centres, places = anchors(), numbers[:, 1:5] / DETECTED_SIZE
    kept: list[FaceBox] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] < MINIMUM_SCORE:
            break
        x, y = centres[index] + places[index, :2]
        width, height = places[index, 2:]
        box = FaceBox(float(x), float(y), float(width), float(height), float(scores[index]))
        if width > 0 and height > 0 and all(overlap(box, other) < LARGEST_OVERLAP for other in kept):
            kept.append(box)
    return kept


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Shared area over joint area."""
    shared = 1.0
    for axis in ("x", "y"):
        size = "width" if axis == "x" else "height"
        ends = [(getattr(box, f"centre_{axis}"), getattr(box, size) / 2) for box in (one, other)]
        low = max(centre - half for centre, half in ends)
        high = min(centre + half for centre, half in ends)
        shared *= max(0.0, high - low)
    joint = one.width * one.height + other.width * other.height - shared
    return shared / joint


def _in_picture(box: FaceBox, scale: Floats) -> FaceBox:
    """From shares of the square to shares of the picture in its middle."""
    x, y = 0.5 + (np.array([box.centre_x, box.centre_y]) - 0.5) * scale
    return FaceBox(float(x), float(y), float(box.width * scale[0]), float(box.height * scale[1]), box.score)


def grey_face(picture: Pixels, box: FaceBox) -> Pixels:
    """The face cut out with a margin, grey, shape (64, 64, 1); at least one pixel lies inside the picture."""
    height, width = picture.shape[:2]
    sides = []
    for centre, size, length in ((box.centre_x, box.width, width), (box.centre_y, box.height, height)):
        low = min(max(0, round((centre - size * CROP_SCALE / 2) * length)), length - 1)
        high = min(max(low + 1, round((centre + size * CROP_SCALE / 2) * length)), length)
        sides.append(slice(low, high))
    grey = cv2.cvtColor(np.ascontiguousarray(picture[sides[1], sides[0]]), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (EXPRESSION_SIZE, EXPRESSION_SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(small[..., None], np.uint8)
