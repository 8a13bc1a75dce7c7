"""Weights to begin with: of an earlier run, or those that came with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from emsync.errors import InputError
from emsync.music.vocabulary import EMSYNC, NOTE_COUNT
from emsync_train.model import Composer

EMBEDDING, OUTPUT = "embedding.weight", "output.weight"


@dataclass(frozen=True)
class Start:
    """Weights of an earlier run to begin with; parameters named `fresh...` keep their initialisation.

    `weights` is a `.safetensors` file or an exported `.onnx` file, whose int8 matrices are read back as they are.
    An embedding from before notes had velocities is continued: a soft or loud ON begins as its normal ON. An output
    layer that was tied to the embedding and now is not begins as its copy.
    """

    weights: str
    fresh: str | None = None

    def load_into(self, network: Composer) -> None:
        """Raises InputError if the weights are missing or of another network, which then stays as it was."""
        known = {name: value for name, value in network.state_dict().items() if not self._is_fresh(name)}
        try:
            taken = {name: value for name, value in self._read().items() if not self._is_fresh(name)}
            if EMBEDDING in taken and EMBEDDING in known:
                taken[EMBEDDING] = _with_velocities(taken[EMBEDDING], len(known[EMBEDDING]))
                if OUTPUT in known and OUTPUT not in taken:
                    taken[OUTPUT] = taken[EMBEDDING].clone()
            _check_same(taken, known)
        except (OSError, ImportError, SafetensorError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.weights}: not weights to start from ({reason})") from error
        network.load_state_dict(taken, strict=False)

    def _is_fresh(self, name: str) -> bool:
        return self.fresh is not None and name.startswith(self.fresh)

    def _read(self) -> dict[str, Tensor]:
        if not self.weights.endswith(".onnx"):
            return dict(load_file(self.weights))
        from emsync_train.graph_weights import weights_of_graph  # noqa: PLC0415  (onnx is not everywhere)

        weights = weights_of_graph(Path(self.weights))
        return {name: torch.from_numpy(value.copy()) for name, value in weights.items()}


def _check_same(taken: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> None:
    """Raises ValueError with the first difference of names or shapes."""
    for name in known:
        if name not in taken:
            raise ValueError(
                f"{name} is not in it; --fresh leaves out parameters by the beginning of their name"
            )
    for name, value in taken.items():
        if name not in known:
            raise ValueError(f"the network has no {name}")
        if value.shape != known[name].shape:
            shapes = tuple(value.shape), tuple(known[name].shape)
            raise ValueError(f"{name} has shape {shapes[0]}, the network's {shapes[1]}")


def _with_velocities(embedding: Tensor, wanted_rows: int) -> Tensor:
    """Rows for soft and loud ONs, copied from the normal ones, where the embedding has none; shape (rows, W)."""
    if wanted_rows != EMSYNC.size or len(embedding) != EMSYNC.size - 2 * NOTE_COUNT:
        return embedding
    normal = embedding[EMSYNC.on.first : EMSYNC.on.stop]
    return torch.cat((embedding, normal, normal))
