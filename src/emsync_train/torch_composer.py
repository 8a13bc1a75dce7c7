"""Any network of `emsync_train.model` as something to compose with, also those that cannot be exported.

It feeds the window through once and then token by token over a cache. When the window is full, the oldest quarter is
forgotten and the rest is fed again, so that learned positions begin anew.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from emsync.music.conditions import Condition
from emsync.music.vocabulary import VOCABULARIES
from emsync_train.model import Composer, LayerCache


class TorchComposer:
    """Next-token logits for `emsync.music.compose.compose_with`."""

    def __init__(self, network: Composer, vocabulary_name: str) -> None:
        if VOCABULARIES[vocabulary_name].size != network.config.vocabulary_size:
            raise ValueError(f"the network was not trained in vocabulary {vocabulary_name!r}")
        self.network = network.eval()
        self.vocabulary_name = vocabulary_name
        self.horizon_s = network.config.horizon_s
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._tokens = np.zeros((1, 0), np.int64)
        self._conditions = np.zeros((1, 0, len(Condition)), np.float32)
        self._caches: list[LayerCache] = []
        self._fed = 0
        self._first_position = 0

    @property
    def position(self) -> int:
        """Tokens fed so far, those that left the window included."""
        return self._first_position + self._tokens.shape[1]

    def truncate(self, position: int) -> None:
        """Take back the newest tokens, so that `position` tokens count as fed; the window's start stays forgotten."""
        kept = position - self._first_position
        if not 0 <= kept <= self._tokens.shape[1]:
            raise ValueError(f"position {position} is outside the window")
        self._tokens, self._conditions = self._tokens[:, :kept], self._conditions[:, :kept]
        self._fed = kept
        for cache in self._caches:
            cache.truncate(kept)

    def step(self, tokens: NDArray[np.int64], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feed tokens (B, T) with conditions (B, T, 11), NaN where missing; logits of the next, (B, V)."""
        if len(tokens) != len(self._tokens):
            self._tokens = self._tokens.repeat(len(tokens), 0)
            self._conditions = self._conditions.repeat(len(tokens), 0)
        self._tokens = np.concatenate((self._tokens, tokens), axis=1)
        self._conditions = np.concatenate((self._conditions, conditions), axis=1)
        context = self.network.config.context
        if self._tokens.shape[1] > context:
            self._first_position += self._tokens.shape[1] - context * 3 // 4
            self._tokens = self._tokens[:, -(context * 3 // 4) :]
            self._conditions = self._conditions[:, -(context * 3 // 4) :]
            self._fed = 0
        if self._fed == 0:
            self._caches = [LayerCache() for _ in self.network.blocks]
        return self._feed()

    @torch.inference_mode()
    def _feed(self) -> NDArray[np.float32]:
        """Feed what is not in the cache yet."""
        conditions = torch.from_numpy(self._conditions[:, self._fed :])
        present = (~conditions.isnan()).float()
        tokens = torch.from_numpy(self._tokens[:, self._fed :])
        logits = self.network(tokens, conditions.nan_to_num(), present, self._caches, self._fed)
        self._fed = self._tokens.shape[1]
        return np.asarray(logits[:, -1].float().numpy())
