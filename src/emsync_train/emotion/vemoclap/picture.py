"""What is seen: CLIP's embedding of each instant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from emsync_train.emotion.vemoclap.contract import Features, Film
from emsync_train.emotion.vemoclap.loading import device_of, load_network, normalised_pixels

PUBLISHED = "openai/clip-vit-base-patch32"
PIXEL_MEAN, PIXEL_DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures CLIP was trained on (Radford et al. 2021, arXiv:2103.00020)."""

BATCH_FRAMES = 16


class ClipPicture:
    """CLIP's image side (ViT-B/32, 512 numbers) behind the `Modality` contract."""

    name = "clip"

    def __init__(self, network: Any) -> None:
        self._network = network

    @classmethod
    def load(cls, source: str = PUBLISHED, device: str = "cpu") -> ClipPicture:
        """Read a CLIP checkpoint; its text side is not needed and not kept.

        Raises: WeightsError if it cannot be had or is something else.
        """
        kinds = ("clip", "clip_vision_model")
        return cls(load_network("CLIPVisionModelWithProjection", source, kinds=kinds, device=device))

    @property
    def dimension(self) -> int:
        """512 for ViT-B/32."""
        return int(self._network.config.projection_dim)

    def extract(self, film: Film, /) -> Features | None:
        """Shape (T, dimension), one row an instant; None for a film without frames."""
        if not len(film.frames):
            return None
        size = int(self._network.config.image_size)
        statistics = (torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_DEVIATION))
        pixels = normalised_pixels(film.frames, size, statistics, crop=True).to(device_of(self._network))
        with torch.no_grad():
            parts = [
                self._network(pixel_values=part).image_embeds for part in torch.split(pixels, BATCH_FRAMES)
            ]
        return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)
