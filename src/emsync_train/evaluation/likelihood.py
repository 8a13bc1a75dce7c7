"""How well a network foresees songs it has not seen, beside counts of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from emsync.music.conditions import GROUP_CONDITIONS, Condition
from emsync.music.vocabulary import Vocabulary
from emsync.types import Floats
from emsync_train.dataset import Batch, Shards, WindowOptions, WindowSampler
from emsync_train.model import Composer
from emsync_train.ngram import NGram
from emsync_train.train import token_losses

NGRAM_ORDER = 5
NGRAM_TOKENS = 30_000_000
WINDOW_SEED = 7
BARS = (Condition.BAR_LENGTH_S, Condition.BAR_PHASE)
LEFT_OUT: dict[str, tuple[int, ...]] = {
    "all_conditions": (),
    "no_affect": (Condition.VALENCE, Condition.AROUSAL),
    "no_boundaries": (Condition.BOUNDARY_OFFSET_S,),
    "no_end": (Condition.END_OFFSET_S,),
    "no_bars": BARS,
    "no_groups": tuple(range(GROUP_CONDITIONS.start, GROUP_CONDITIONS.stop)),
    "no_conditions": tuple(range(len(Condition))),
}
"""What the network is not told in each row of the table."""


@dataclass(frozen=True)
class Likelihood:
    """Nats per token and per note (all nats of the windows over their notes), and how often the target is guessed.

    `top_1` and `top_5` are the shares of targets that are the likeliest token, or one of the five.
    """

    nats_per_token: float
    nats_per_note: float
    top_1: float
    top_5: float


def test_batches(
    shards: Shards, weights: Mapping[str, float], options: WindowOptions, windows: int
) -> list[Batch]:
    """Windows of `test` songs, as they are: no variation, all conditions given."""
    sampler = WindowSampler(shards, shards.of_split("test"), weights, options.as_they_are())
    return [sampler.batch(8, np.random.default_rng((WINDOW_SEED, index))) for index in range(windows // 8)]


def is_counted(tokens: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Targets that count, shape of `tokens`: no PAD, and not the first ones, which an n-gram cannot say."""
    counted = tokens != vocabulary.special("PAD")
    counted[..., : NGRAM_ORDER - 1] = False
    return np.asarray(counted)


@torch.no_grad()
def network_likelihood(
    network: Composer, batches: Sequence[Batch], vocabulary: Vocabulary, left_out: Sequence[int] = ()
) -> Likelihood:
    """The likelihood of the windows without the conditions in the columns `left_out`."""
    pad = vocabulary.special("PAD")
    nats = notes = count = first = fifth = 0.0
    for batch in track(batches, description="likelihood"):
        tokens, conditions = torch.from_numpy(batch.tokens), torch.from_numpy(batch.conditions)
        present = torch.from_numpy(batch.present).clone()
        present[..., list(left_out)] = 0
        targets = tokens[:, 1:]
        logits = network(tokens[:, :-1], conditions, present)
        counted = torch.from_numpy(is_counted(batch.tokens, vocabulary)[:, 1:])
        nats += token_losses(logits, targets, pad)[counted].sum().item()
        ranks = _ranks(logits[counted], targets[counted])
        first, fifth = first + (ranks < 1).sum().item(), fifth + (ranks < 5).sum().item()
        count += counted.sum().item()
        notes += float(vocabulary.is_on(targets[counted].numpy()).sum())
    return Likelihood(nats / count, nats / notes, first / count, fifth / count)


def _ranks(logits: Tensor, targets: Tensor) -> Tensor:
    """How many tokens are likelier than each target, shape (N,)."""
    return (logits > logits.gather(-1, targets[:, None])).sum(-1)


def baseline_likelihood(
    sample: NDArray[np.uint16], order: int, batches: Sequence[Batch], vocabulary: Vocabulary
) -> Likelihood:
    """The same of an n-gram counted on `sample`; it is not asked for guesses (NaN)."""
    model = NGram(sample, order=order, vocabulary_size=vocabulary.size)
    parts: list[Floats] = []
    notes = 0
    for batch in batches:
        for row in batch.tokens:
            counted = is_counted(row, vocabulary)
            parts.append(model.nats(row.astype(np.uint16), counted))
            notes += int(vocabulary.is_on(row[counted]).sum())
    nats = np.concatenate(parts)
    return Likelihood(float(nats.mean()), float(nats.sum() / notes), np.nan, np.nan)


def training_sample(shards: Shards, weights: Mapping[str, float]) -> NDArray[np.uint16]:
    """Tokens of training pieces drawn by source weight, whole pieces, up to `NGRAM_TOKENS`."""
    rng = np.random.default_rng(3)
    pieces = [piece for piece in shards.of_split("train") if weights.get(piece.source, 1.0) > 0]
    repeats = [piece for piece in pieces for _ in range(max(round(weights.get(piece.source, 1.0)), 1))]
    parts, length = [], 0
    for index in rng.permutation(len(repeats)):
        parts.append(shards.tokens_of(repeats[index]))
        length += len(parts[-1])
        if length >= NGRAM_TOKENS:
            break
    return np.concatenate(parts)
