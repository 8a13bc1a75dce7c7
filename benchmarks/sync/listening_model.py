"""A composer network that remembers how likely it held every token it was fed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emsync.music.model import ComposerModel
from emsync.music.sampling import surprise_nats


class ListeningModel:
    """Stands before a `ComposerModel` and counts the nats of what is composed with it.

    The nats of a token are -log p of the network under all conditions (row 0 of the batch), before guidance, key,
    grammar, temperature and nucleus change the odds: how foreign the music is to the network, whoever chose the token.
    Everything else is the model's own.
    """

    def __init__(self, model: ComposerModel) -> None:
        self._model = model
        self._logits: list[NDArray[np.float32]] = []
        self._nats: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def nats(self) -> NDArray[np.float64]:
        """Nats of every token but the first, which nothing foretells, shape (T - 1,)."""
        return np.array(self._nats, np.float64)

    def reset(self) -> None:
        """Forget everything."""
        self._model.reset()
        self._logits, self._nats = [], []

    def truncate(self, position: int) -> None:
        """Take back the newest tokens and their nats."""
        self._model.truncate(position)
        del self._logits[position:]
        del self._nats[max(position - 1, 0) :]

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the model's; tokens go through one by one so that each has its nats."""
        for place in range(tokens.shape[1]):
            if self._logits:
                self._nats.append(surprise_nats(self._logits[-1], int(tokens[0, place])))
            here = slice(place, place + 1)
            logits = self._model.step(tokens[:, here], conditions[:, here])
            self._logits.append(logits[0].copy())
        return logits
