"""Weights to begin with: of an earlier run, or those that came with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from emsync.errors import InputError
from emsync.music.vocabulary import EMSYNC, NOTE_COUNT
from emsync_train.model import Composer


@dataclass(frozen=True)
class Start:
    """Weights of an earlier run to begin with; parameters named `fresh...` keep their initialisation.

    `weights` is a `.safetensors` file or an exported `.onnx` file, whose int8 matrices are read back as they are.
    An embedding from before notes had velocities is continued: a soft or loud ON begins as its normal ON.
    """

    weights: str
    fresh: str | None = None

    def load_into(self, network: Composer) -> None:
        """Raises InputError if the weights are missing or of another network."""
        try:
            loaded = self._read()
            known = network.state_dict()
            kept = {name for name in known if self.fresh is not None and name.startswith(self.fresh)}
            taken = {name: value for name, value in loaded.items() if name not in kept}
            if self.fresh is not None:
                taken = {name: value for name, value in taken.items() if not name.startswith(self.fresh)}
            if "embedding.weight" in taken:
                taken["embedding.weight"] = _with_velocities(
                    taken["embedding.weight"], len(known["embedding.weight"])
                )
            network.load_state_dict({**{name: known[name] for name in kept}, **taken})
        except (OSError, ImportError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.weights}: not weights to start from ({reason})") from error

    def _read(self) -> dict[str, Tensor]:
        if not self.weights.endswith(".onnx"):
            return load_file(self.weights)
        from emsync_train.decode_graph import weights_of_graph  # noqa: PLC0415  (onnx is not everywhere)

        weights = weights_of_graph(Path(self.weights))
        return {name: torch.from_numpy(value.copy()) for name, value in weights.items()}


def _with_velocities(embedding: Tensor, wanted_rows: int) -> Tensor:
    """Rows for soft and loud ONs, copied from the normal ones, where the embedding has none; shape (rows, W)."""
    if wanted_rows != EMSYNC.size or len(embedding) != EMSYNC.size - 2 * NOTE_COUNT:
        return embedding
    normal = embedding[EMSYNC.on.first : EMSYNC.on.stop]
    return torch.cat((embedding, normal, normal))
