"""What faces express: a detector finds the largest face of each instant, a ViT names its expression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emsync_train.emotion.vemoclap.contract import Features, Film, Frames
from emsync_train.emotion.vemoclap.face_detector import FaceDetector, Floats32
from emsync_train.emotion.vemoclap.loading import device_of, load_network, normalised_pixels, pixel_statistics

PUBLISHED = "trpakov/vit-face-expression"
"""A ViT trained on FER-2013, seven expressions; the paper does not name its own."""

LEAST_SIDE_PIXELS = 8
HALF = (torch.full((3,), 0.5), torch.full((3,), 0.5))


class FaceExpression:
    """Expression probabilities behind the `Modality` contract: one row for each instant that shows a face."""

    name = "face"

    def __init__(
        self, detector: FaceDetector, network: Any, statistics: tuple[Tensor, Tensor] = HALF
    ) -> None:
        self._detector, self._network, self._statistics = detector, network, statistics

    @classmethod
    def load(cls, detector: Path, source: str = PUBLISHED, device: str = "cpu") -> FaceExpression:
        """Read the detector's export and the expression network.

        Raises: WeightsError if one of them cannot be had or is something else.
        """
        network = load_network("ViTForImageClassification", source, kinds=("vit",), device=device)
        return cls(FaceDetector.load(detector), network, pixel_statistics(source, otherwise=HALF))

    @property
    def dimension(self) -> int:
        """Number of expressions, seven for FER-2013."""
        return int(self._network.config.num_labels)

    def extract(self, film: Film, /) -> Features | None:
        """Shape (T, dimension), T the instants with a face in order; None if there is none."""
        crops = [face for frame in film.frames if (face := largest_face(frame, self._detector)) is not None]
        if not crops:
            return None
        size = int(self._network.config.image_size)
        pixels = torch.cat(
            [normalised_pixels(face[None], size, self._statistics, crop=False) for face in crops]
        )
        with torch.no_grad():
            logits = self._network(pixel_values=pixels.to(device_of(self._network))).logits
        return np.asarray(logits.softmax(dim=1).cpu().numpy(), np.float32)


def largest_face(rgb: Frames, detector: FaceDetector) -> Frames | None:
    """The pixels of the largest face of a frame, or None."""
    boxes: Floats32 = detector.faces(rgb)
    if not len(boxes):
        return None
    sides = boxes[:, 2:4] - boxes[:, :2]
    left, top, right, bottom = boxes[int(sides.prod(axis=1).argmax()), :4].round().astype(int)
    if min(right - left, bottom - top) < LEAST_SIDE_PIXELS:
        return None
    return rgb[top:bottom, left:right]
