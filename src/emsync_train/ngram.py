"""Baselines that any network must beat: the frequencies of tokens alone and after the last few.

The n-gram is an interpolated Witten-Bell model (Witten & Bell 1991): after history h,
P(w | h) = (count(h w) + kinds(h) P(w | shorter h)) / (count(h) + kinds(h)), down to uniform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emsync.types import Floats

BITS_PER_TOKEN = 11
LONGEST_ORDER = 63 // BITS_PER_TOKEN

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class _Counts:
    """Of one order: how often each key was seen, and for each history how often and how many kinds followed."""

    keys: Keys
    counts: Floats
    histories: Keys
    history_counts: Floats
    history_kinds: Floats


class NGram:
    """Token frequencies after the last `order - 1` tokens. Order 1 is the unigram, at most 5 fit in 64 bits."""

    def __init__(self, tokens: NDArray[np.uint16], *, order: int, vocabulary_size: int) -> None:
        if not 1 <= order <= LONGEST_ORDER or vocabulary_size > 1 << BITS_PER_TOKEN:
            raise ValueError(
                f"order must be 1..{LONGEST_ORDER} and the vocabulary at most {1 << BITS_PER_TOKEN}"
            )
        self.order, self.vocabulary_size = order, vocabulary_size
        self._levels = [_counted(ngram_keys(tokens, length)) for length in range(1, order + 1)]

    def nats(self, tokens: NDArray[np.uint16], counted: NDArray[np.bool_]) -> Floats:
        """-ln P of each token after those before it, shape of `tokens`, where `counted`; the rest is left out.

        The first `order - 1` tokens of `tokens` have no whole history and are left out as well.
        """
        likelihoods = np.full(len(tokens) - self.order + 1, 1 / self.vocabulary_size)
        for length, level in enumerate(self._levels, start=1):
            keys = ngram_keys(tokens, length)[self.order - length :]
            likelihoods = _interpolated(level, keys, likelihoods)
        return np.asarray(-np.log(likelihoods[counted[self.order - 1 :]]))


def ngram_keys(tokens: NDArray[np.uint16], length: int) -> Keys:
    """Every run of `length` tokens as one integer, shape (N - length + 1,)."""
    wide = tokens.astype(np.uint64)
    keys = np.zeros(max(len(wide) - length + 1, 0), np.uint64)
    for place in range(length):
        keys = (keys << np.uint64(BITS_PER_TOKEN)) | wide[place : place + len(keys)]
    return keys


def _counted(keys: Keys) -> _Counts:
    unique, counts = np.unique(keys, return_counts=True)
    histories, first = np.unique(unique >> np.uint64(BITS_PER_TOKEN), return_index=True)
    return _Counts(
        keys=unique,
        counts=counts.astype(np.float64),
        histories=histories,
        history_counts=np.add.reduceat(counts, first).astype(np.float64),
        history_kinds=np.diff(first, append=len(unique)).astype(np.float64),
    )


def _interpolated(level: _Counts, keys: Keys, shorter: Floats) -> Floats:
    seen = _looked_up(level.keys, level.counts, keys)
    histories = keys >> np.uint64(BITS_PER_TOKEN)
    total = _looked_up(level.histories, level.history_counts, histories)
    kinds = _looked_up(level.histories, level.history_kinds, histories)
    known = np.maximum(total + kinds, 1.0)
    return np.where(total > 0, (seen + kinds * shorter) / known, shorter)


def _looked_up(keys: Keys, values: Floats, wanted: Keys) -> Floats:
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0.0)
