"""Training the fusion head: seeded, small enough to read, stopped by films it has not seen."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emsync.types import Floats
from emsync_train.emotion.fit import group_folds
from emsync_train.emotion.vemoclap.contract import Examples, Features
from emsync_train.emotion.vemoclap.fusion import FusionConfig, FusionHead

SCALE_FLOOR = 1e-2
"""Added to a feature's deviation, so that one that hardly varies is not blown up."""


@dataclass(frozen=True)
class TrainingOptions:
    """How the head is trained; none of these numbers is from the paper.

    One group in `validation_folds` is kept apart: training stops when its loss has not fallen for `patience`
    epochs, and the best epoch's weights are kept. `missing_share` of the films lose one modality at random in
    each epoch, so that the head has met films without it.
    """

    epochs: int = 60
    patience: int = 6
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 1e-2
    missing_share: float = 0.1
    validation_folds: int = 8
    seed: int = 0


@dataclass(frozen=True)
class TrainedFusion:
    """A head in evaluation mode, the epoch its weights are from (1 is the first) and the loss of every epoch."""

    head: FusionHead
    best_epoch: int
    validation_losses: tuple[float, ...]


@dataclass(frozen=True)
class FilmBatch:
    """Films side by side: for each modality features (B, T, D) and a mask (B, T); labels (B,)."""

    features: list[Tensor]
    masks: list[Tensor]
    labels: Tensor


def train_fusion(examples: Examples, config: FusionConfig, options: TrainingOptions) -> TrainedFusion:
    """Fit a head; same examples and options, same weights.

    Raises: ValueError if all films are of one group, so that none can be held out.
    """
    folds = group_folds(examples.groups.tolist(), folds=options.validation_folds, seed=options.seed)
    seen, unseen = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    if not len(seen) or not len(unseen):
        raise ValueError(
            "films of at least two groups are needed: one group is held out to stop the training"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        head = FusionHead(config)
        standardise(head, examples.chosen(seen))
        return _fit(head, examples.chosen(seen), examples.chosen(unseen), options)


def _fit(head: FusionHead, seen: Examples, unseen: Examples, options: TrainingOptions) -> TrainedFusion:
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    generator = np.random.default_rng(options.seed)
    best, best_epoch, losses = copy.deepcopy(head.state_dict()), 0, list[float]()
    while len(losses) < options.epochs and len(losses) - best_epoch < options.patience:
        head.train()
        for batch in _training_batches(seen, options, generator):
            optimiser.zero_grad()
            functional.cross_entropy(head(batch.features, batch.masks), batch.labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        losses.append(_loss(head, unseen))
        if losses[-1] <= min(losses):
            best, best_epoch = copy.deepcopy(head.state_dict()), len(losses)
    if not np.isfinite(losses).all():
        raise ValueError("the loss is not finite: lower the learning rate or look for broken features")
    head.load_state_dict(best)
    return TrainedFusion(head.eval(), best_epoch, tuple(losses))


def standardise(head: FusionHead, examples: Examples) -> None:
    """Give the head the mean and deviation of every feature, over all steps of all films."""
    for number, spec in enumerate(examples.specs):
        present = [film[number] for film in examples.features]
        steps = [values for values in present if values is not None]
        if steps:
            table = np.concatenate(steps)
            deviation = table.std(axis=0) + SCALE_FLOOR
            head.standardise_by(number, torch.from_numpy(table.mean(axis=0)), torch.from_numpy(deviation))
        else:
            head.standardise_by(number, torch.zeros(spec.dimension), torch.ones(spec.dimension))


def class_logits(head: FusionHead, examples: Examples, *, batch_size: int = 64) -> Floats:
    """Logits of every film, shape (N, classes); the size of a batch changes nothing but memory."""
    head.eval()
    numbers = np.arange(len(examples.labels))
    with torch.no_grad():
        parts = [
            head(batch.features, batch.masks).double().numpy()
            for start in range(0, len(numbers), batch_size)
            for batch in [film_batch(examples.chosen(numbers[start : start + batch_size]))]
        ]
    return np.concatenate(parts)


def film_batch(examples: Examples) -> FilmBatch:
    """Films padded to the longest of each modality, to one step where nobody has it."""
    features, masks = [], []
    for number, spec in enumerate(examples.specs):
        values, mask = _padded([film[number] for film in examples.features], spec.dimension)
        features.append(torch.from_numpy(values))
        masks.append(torch.from_numpy(mask))
    return FilmBatch(features, masks, torch.from_numpy(examples.labels))


def _padded(films: list[Features | None], dimension: int) -> tuple[Features, NDArray[np.bool_]]:
    lengths = np.array([0 if film is None else len(film) for film in films])
    steps = max(1, int(lengths.max()))
    values = np.zeros((len(films), steps, dimension), np.float32)
    for row, film in zip(values, films, strict=True):
        if film is not None:
            row[: len(film)] = film
    return values, np.arange(steps) < lengths[:, None]


def _training_batches(
    examples: Examples, options: TrainingOptions, generator: np.random.Generator
) -> Iterator[FilmBatch]:
    order = generator.permutation(len(examples.labels))
    for start in range(0, len(order), options.batch_size):
        batch = film_batch(examples.chosen(order[start : start + options.batch_size]))
        _drop_one_modality(batch.masks, options.missing_share, generator)
        yield batch


def _drop_one_modality(masks: list[Tensor], share: float, generator: np.random.Generator) -> None:
    """Hide one modality of some films, in place; the only one that speaks is never hidden."""
    known = np.stack([mask.any(dim=1).numpy() for mask in masks], axis=1)  # (B, M)
    for film in np.flatnonzero(generator.random(len(known)) < share):
        choices = np.flatnonzero(known[film])
        if len(choices) > 1:
            masks[int(generator.choice(choices))][int(film)] = False


def _loss(head: FusionHead, examples: Examples) -> float:
    logits = torch.from_numpy(class_logits(head, examples))
    return float(functional.cross_entropy(logits, torch.from_numpy(examples.labels)))
