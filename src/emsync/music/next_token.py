"""What composing asks of a network."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class NextToken(Protocol):
    """What composing asks of a network; `ComposerModel` is the one that comes with the package."""

    @property
    def vocabulary_name(self) -> str:
        """Of the tokens."""

    @property
    def horizon_s(self) -> float:
        """Largest offset that it was told in training."""

    @property
    def position(self) -> int:
        """Tokens fed so far."""

    def reset(self) -> None:
        """Forget everything."""

    def truncate(self, position: int) -> None:
        """Take back the newest tokens, so that `position` tokens count as fed."""

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feed tokens (B, T) with their conditions (B, T, 11); logits of the next, (B, V)."""
