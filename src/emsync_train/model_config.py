"""Sizes and kind of the composer network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Positions: TypeAlias = Literal["rope", "learned"]
Conditioning: TypeAlias = Literal["token", "prefix"]
Norm: TypeAlias = Literal["rms", "layer"]
Activation: TypeAlias = Literal["squared_relu", "swiglu", "relu"]
Initialisation: TypeAlias = Literal["small", "fan_in"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and kind of the network. `context` is the window in tokens that training sees at once.

    `positions`, `conditioning`, `norm`, `activation` and `tied_output` default to what is shipped; the others
    are for comparison and for the paper's network, and cannot be exported. `initialisation` says how the weights of a
    fresh network are drawn: `small` as GPT-2's, for `fan_in` see `Composer`.
    """

    vocabulary_size: int
    layers: int = 6
    width: int = 192
    heads: int = 6
    feed_forward: int = 768
    context: int = 768
    dropout: float = 0.0
    horizon_s: float = 8.0
    positions: Positions = "rope"
    conditioning: Conditioning = "token"
    norm: Norm = "rms"
    activation: Activation = "squared_relu"
    tied_output: bool = True
    initialisation: Initialisation = "small"

    def __post_init__(self) -> None:
        sizes = (self.vocabulary_size, self.layers, self.width, self.heads, self.feed_forward, self.context)
        if any(not isinstance(size, int) for size in sizes) or min(sizes) < 1:
            raise ValueError(f"every size of the model must be at least 1 and whole, got {self}")
        if not 0 <= self.dropout < 1 or self.horizon_s <= 0:
            raise ValueError(f"dropout must lie in [0, 1) and horizon_s above 0, got {self}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} must split into {self.heads} heads of even size")
        choices = {
            "positions": Positions,
            "conditioning": Conditioning,
            "norm": Norm,
            "activation": Activation,
            "initialisation": Initialisation,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(get_args(allowed))}")
        if (self.positions == "learned") != (self.conditioning == "prefix"):
            raise ValueError(
                'positions "learned" go with conditioning "prefix": they carry the boundary offset'
            )
        if self.initialisation == "fan_in" and self.tied_output:
            raise ValueError(
                'initialisation "fan_in" wants tied_output = false: its embedding is too large for logits'
            )
