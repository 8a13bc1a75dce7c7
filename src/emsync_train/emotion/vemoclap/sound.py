"""What is heard: BEATs on windows of 3 s."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from emsync.emotion.features.sound import has_sound
from emsync.errors import WeightsError
from emsync.types import SOUND_RATE_HZ
from emsync_train.emotion.vemoclap.beats import Beats, BeatsConfig
from emsync_train.emotion.vemoclap.contract import Features, Film, Samples
from emsync_train.emotion.vemoclap.loading import device_of

WINDOW_SAMPLES = 3 * SOUND_RATE_HZ
BATCH_WINDOWS = 8
WHERE = "The published checkpoints are linked from the BEATs page of microsoft/unilm (see docs/vemoclap.md)."
SUPPORTED = {
    "activation_fn": "gelu",
    "conv_bias": False,
    "deep_norm": True,
    "gru_rel_pos": True,
    "layer_norm_first": False,
    "relative_position_embedding": True,
}

Output = Literal["embedding", "classes"]


class BeatsSound:
    """BEATs behind the `Modality` contract: one vector for each 3 s that are not silent.

    "embedding" is the mean of the last layer (768 numbers), "classes" the probabilities of AudioSet's 527 sounds,
    which only a fine-tuned checkpoint has.
    """

    name = "beats"

    def __init__(self, network: Beats, output: Output = "embedding") -> None:
        if output == "classes" and network.predictor is None:
            raise WeightsError(f"This BEATs checkpoint is not fine-tuned and names no sounds. {WHERE}")
        self._network = network.eval()
        self._output = output

    @classmethod
    def load(cls, path: Path, output: Output = "embedding", device: str = "cpu") -> BeatsSound:
        """Read a published checkpoint (`.pt`), without running any code that may be inside.

        Raises: WeightsError if the file is missing, not a checkpoint or of another architecture.
        """
        return cls(read_beats(path).to(device), output)

    @property
    def dimension(self) -> int:
        """768, or the number of classes."""
        config = self._network.config
        return config.predictor_class if self._output == "classes" else config.encoder_embed_dim

    def extract(self, film: Film, /) -> Features | None:
        """Shape (T, dimension): windows in order, silent ones left out; None if all are."""
        heard = [window for window in windows(film.samples, WINDOW_SAMPLES) if has_sound(window)]
        if not heard:
            return None
        batch = torch.from_numpy(np.stack(heard)).to(device_of(self._network))
        with torch.no_grad():
            parts = [self._run(part) for part in torch.split(batch, BATCH_WINDOWS)]
        return np.asarray(torch.cat(parts).cpu().numpy(), np.float32)

    def _run(self, samples: Tensor) -> Tensor:
        network = self._network
        return (
            network.class_probabilities(samples) if self._output == "classes" else network.embedding(samples)
        )


def windows(samples: Samples, length: int) -> Samples:
    """Sound in windows that follow one another, shape (N, length), the last one filled up with silence.

    >>> windows(np.ones(5, np.float32), 4).tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
    """
    count = -(-len(samples) // length)
    return np.pad(samples, (0, count * length - len(samples))).reshape(count, length)


def read_beats(path: Path) -> Beats:
    """The network of a published checkpoint: `{"cfg": sizes, "model": state dict}`.

    Raises: WeightsError, see `BeatsSound.load`.
    """
    content = _read_checkpoint(path)
    settings: dict[str, Any] = content["cfg"]
    other = {name: settings[name] for name, value in SUPPORTED.items() if settings.get(name, value) != value}
    if other:
        raise WeightsError(
            f"{path}: this BEATs is built differently ({other}); take a published checkpoint. {WHERE}"
        )
    sizes = {f.name: settings[f.name] for f in fields(BeatsConfig) if f.name in settings}
    if not settings.get("finetuned_model", False):
        sizes["predictor_class"] = 0
    network = Beats(BeatsConfig(**sizes))
    try:
        network.load_state_dict(content["model"])
    except RuntimeError as error:
        raise WeightsError(f"{path}: its weights are not those of BEATs: {error}. {WHERE}") from error
    return network


def _read_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file. {WHERE}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a checkpoint of plain tensors, so it is not opened: {error}"
        ) from error
    if not isinstance(content, dict) or not {"cfg", "model"} <= set(content):
        raise WeightsError(f"{path}: a BEATs checkpoint holds `cfg` and `model`; this file does not. {WHERE}")
    return content
