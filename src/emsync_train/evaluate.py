"""Measure a trained composer on held-out songs and by the music it writes.

Command: python -m emsync_train.evaluate --run RUN --shards DIR --out results.json [--pieces 24]

Likelihood: nats per token on windows of the `test` songs, with all conditions given, without boundaries and
without any, beside a unigram and a 5-gram that were counted on the training songs. Music: the figures of
`emsync.metrics` for pieces composed by the shipped weights, beside the same figures of stretches of equal length
from training songs and from test songs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from emsync import metrics
from emsync.errors import EmsyncError
from emsync.music.compose import compose_with
from emsync.music.model import ComposerModel
from emsync.music.tokenizer import DEFAULT_VELOCITY, decode
from emsync.options import ComposeOptions, SyncMode
from emsync.types import (
    TICK_S,
    TICKS_PER_S,
    AffectCurve,
    AffectPoint,
    Boundary,
    Composition,
    CueSheet,
    Floats,
    Notes,
    Ticks,
)
from emsync.weights import COMPOSER, load_weights, weights_entry
from emsync_train.dataset import Batch, Shards, WindowOptions, WindowSampler
from emsync_train.export import load_checkpoint
from emsync_train.labels import AffectLabeller
from emsync_train.model import Composer
from emsync_train.ngram import NGram
from emsync_train.train import token_losses

PIECE_S = 60.0
NGRAM_ORDER = 5
NGRAM_TOKENS = 30_000_000
FILM_SEED = 11
GAPS_S = (4.0, 10.0)
"""Cuts of the composed films lie this far apart, drawn evenly."""


def likelihoods(
    network: Composer, shards: Shards, weights: dict[str, float], windows: int
) -> dict[str, float]:
    """Nats per token of the network and of the baselines, on the same targets."""
    options = WindowOptions(
        length=network.config.context,
        horizon_s=network.config.horizon_s,
        transpose_semitones=0,
        tempo_spread=0.0,
        thin_chords_share=0.0,
        boundary_dropout=0.0,
        affect_dropout=0.0,
    )
    sampler = WindowSampler(shards, shards.of_split("test"), weights, options)
    batches = [sampler.batch(8, np.random.default_rng((7, index))) for index in range(windows // 8)]
    pad = shards.vocabulary.special("PAD")
    sample = _training_sample(shards, weights)
    counted = sum(int((batch.tokens[:, NGRAM_ORDER - 1 :] != pad).sum()) for batch in batches)
    return {
        "windows": float(windows),
        "tokens": float(counted),
        "all_conditions": _network_nats(network, batches, (1, 1, 1), pad),
        "no_boundaries": _network_nats(network, batches, (1, 1, 0), pad),
        "no_conditions": _network_nats(network, batches, (0, 0, 0), pad),
        "unigram": _baseline_nats(sample, 1, shards, batches),
        f"{NGRAM_ORDER}_gram": _baseline_nats(sample, NGRAM_ORDER, shards, batches),
    }


@torch.no_grad()
def _network_nats(
    network: Composer, batches: Sequence[Batch], given: tuple[int, int, int], pad: int
) -> float:
    """Nats per token, leaving out the first targets of a window, which the n-gram cannot say either."""
    total, count = 0.0, 0
    for batch in track(batches, description="likelihood"):
        tokens = torch.from_numpy(batch.tokens)
        present = torch.from_numpy(batch.present) * torch.tensor(given)
        logits = network(tokens[:, :-1], torch.from_numpy(batch.conditions), present)
        losses = token_losses(logits, tokens[:, 1:], pad)[:, NGRAM_ORDER - 2 :]
        total += losses.sum().item()
        count += int((tokens[:, NGRAM_ORDER - 1 :] != pad).sum())
    return total / count


def _training_sample(shards: Shards, weights: dict[str, float]) -> np.ndarray:
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


def _baseline_nats(sample: np.ndarray, order: int, shards: Shards, batches: Sequence[Batch]) -> float:
    model = NGram(sample, order=order, vocabulary_size=shards.vocabulary.size)
    pad = shards.vocabulary.special("PAD")
    parts = []
    for batch in batches:
        for row in batch.tokens:
            counted = row != pad
            counted[: NGRAM_ORDER - 1] = False
            parts.append(model.nats(row.astype(np.uint16), counted))
    return float(np.concatenate(parts).mean())


Figures = dict[str, Callable[[Notes, Ticks, int], float]]

FIGURES: Figures = {
    "note_density_per_s": lambda notes, bars, end: metrics.note_density(notes, end),
    "polyphony": lambda notes, bars, end: metrics.polyphony(notes),
    "pitch_class_entropy_bits": lambda notes, bars, end: metrics.pitch_class_entropy(notes),
    "scale_consistency": lambda notes, bars, end: metrics.scale_consistency(notes),
    "pitch_range_semitones": lambda notes, bars, end: metrics.pitch_range(notes),
    "empty_bar_rate": metrics.empty_bar_rate,
    "empty_time_rate": lambda notes, bars, end: metrics.empty_time_rate(notes, end),
    "groove_consistency": metrics.groove_consistency,
    "repeated_bar_rate": metrics.repeated_bar_rate,
    "bars_per_minute": lambda notes, bars, end: len(bars) * 60 * TICKS_PER_S / end,
    "longest_silence_s": lambda notes, bars, end: metrics.longest_silence_s(notes, end),
    "stuck_notes": lambda notes, bars, end: float(metrics.stuck_notes(notes)),
}


def film_of(rng: np.random.Generator, name: str) -> CueSheet:
    """A made-up film of `PIECE_S`: cuts `GAPS_S` apart, one affect drawn evenly over the plane."""
    boundaries = []
    time_s = rng.uniform(*GAPS_S)
    while time_s < PIECE_S - 1:
        boundaries.append(Boundary(round(float(time_s), 3), 1.0, "cut"))
        time_s += rng.uniform(*GAPS_S)
    valence, arousal = rng.uniform(-0.9, 0.9, 2)
    affect = AffectCurve((AffectPoint(0.0, float(valence), float(arousal)),))
    return CueSheet(name, PIECE_S, Fraction(25), (), (), tuple(boundaries), (), affect)


def composed_pieces(model: ComposerModel, count: int, options: ComposeOptions) -> list[Composition]:
    """`count` pieces for made-up films, seeds 0, 1, 2, ..."""
    films = [film_of(np.random.default_rng((FILM_SEED, index)), f"film {index}") for index in range(count)]
    numbered = list(enumerate(films))
    return [
        compose_with(model, film, replace(options, seed=seed))
        for seed, film in track(numbered, description=f"composing ({options.sync})")
    ]


def music_figures(stretches: Sequence[tuple[Notes, Ticks, int]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of every figure over stretches of (notes, bars, length in ticks)."""
    table = {}
    for name, figure in FIGURES.items():
        values = np.array([figure(*stretch) for stretch in stretches], float)
        values = values[np.isfinite(values)]
        table[name] = {"mean": float(values.mean()), "deviation": float(values.std()), "pieces": len(values)}
    return table


def human_stretches(
    shards: Shards, weights: dict[str, float], count: int, *, split: str = "test"
) -> list[tuple[Notes, Ticks, int]]:
    """`count` stretches of `PIECE_S` from songs of a split, drawn as in training, notes cut at both ends."""
    rng = np.random.default_rng(5)
    pieces = shards.of_split(split)
    shares = np.array([weights.get(piece.source, 1.0) * piece.token_count for piece in pieces])
    length = int(PIECE_S * TICKS_PER_S)
    stretches: list[tuple[Notes, Ticks, int]] = []
    while len(stretches) < count:
        piece = decode(shards.tokens_of(pieces[rng.choice(len(pieces), p=shares / shares.sum())]))
        if piece.end_ticks < length:
            continue
        begin = int(rng.integers(piece.end_ticks - length + 1))
        onset = piece.notes["onset_ticks"]
        notes = piece.notes[(onset >= begin) & (onset < begin + length)].copy()
        notes["onset_ticks"] -= begin
        notes["duration_ticks"] = np.minimum(notes["duration_ticks"], length - notes["onset_ticks"])
        bars = piece.bar_onsets_ticks
        stretches.append((notes, bars[(bars >= begin) & (bars < begin + length)] - begin, length))
    return stretches


def boundary_figures(pieces: Sequence[Composition]) -> dict[str, float]:
    """How the CHORDs of the pieces answer the boundaries of their own film and of the next piece's film."""
    boundaries = [np.array([hit.boundary.time_s for hit in piece.hits]) for piece in pieces]
    chords = [np.array(piece.chord_onsets_ticks) * TICK_S for piece in pieces]
    shuffled = [*boundaries[1:], boundaries[0]]
    table: dict[str, float] = {"boundaries": float(sum(map(len, boundaries)))}
    for tolerance_s in (0.05, 0.25, 1.0):
        name = f"{round(tolerance_s * 1000)}_ms"
        table[f"f1_{name}"] = _mean_f1(boundaries, chords, tolerance_s)
        table[f"recall_{name}"] = _mean_recall(boundaries, chords, tolerance_s)
        table[f"shuffled_f1_{name}"] = _mean_f1(shuffled, chords, tolerance_s)
    return table


def affect_figures(pieces: Sequence[Composition]) -> dict[str, float]:
    """Correlation of the affect asked for with the labels of what was composed, over the pieces.

    The labeller is the one that made the training labels, so this tells whether the network obeys, not whether
    listeners agree. Velocities, which follow arousal by rule, are made equal before.
    """
    labeller = AffectLabeller.load()
    asked, heard = [], []
    for index, piece in enumerate(pieces):
        point = film_of(np.random.default_rng((FILM_SEED, index)), "").affect.points[0]
        notes = piece.notes.copy()
        notes["velocity"] = DEFAULT_VELOCITY
        labels = labeller.label(notes, piece.duration_ticks * TICK_S)
        asked.append((point.valence, point.arousal))
        heard.append((labels.valence.mean(), labels.arousal.mean()))
    columns = np.concatenate((np.array(asked), np.array(heard)), axis=1)
    correlations = np.corrcoef(columns, rowvar=False)
    return {"pieces": len(pieces), "valence_r": correlations[0, 2], "arousal_r": correlations[1, 3]}


def _mean_f1(references: Sequence[Floats], estimates: Sequence[Floats], tolerance_s: float) -> float:
    pairs = zip(references, estimates, strict=True)
    return float(np.nanmean([metrics.f1(metrics.match_onsets(*pair, tolerance_s)) for pair in pairs]))


def _mean_recall(references: Sequence[Floats], estimates: Sequence[Floats], tolerance_s: float) -> float:
    pairs = zip(references, estimates, strict=True)
    return float(np.nanmean([metrics.recall(metrics.match_onsets(*pair, tolerance_s)) for pair in pairs]))


def evaluate(run: Path, shards: Shards, *, windows: int, pieces: int) -> dict[str, object]:
    """All figures of the shipped composer and of the run it was exported from."""
    network, settings = load_checkpoint(run / "weights.safetensors")
    source_weights = dict(settings["source_weights"])
    model = ComposerModel.load(load_weights(COMPOSER))
    composed = {mode: composed_pieces(model, pieces, ComposeOptions(sync=mode)) for mode in SyncMode}
    stretches = {
        mode: [(piece.notes, np.array(piece.bar_onsets_ticks), piece.duration_ticks) for piece in written]
        for mode, written in composed.items()
    }
    return {
        "command": f"python -m emsync_train.evaluate --windows {windows} --pieces {pieces}",
        "weights_sha256": weights_entry(COMPOSER).sha256,
        "corpus_tokens_sha256": shards.tokens_sha256,
        "parameters": network.parameter_count,
        "nats_per_token": likelihoods(network, shards, source_weights, windows),
        "music": {
            "training": music_figures(human_stretches(shards, source_weights, 4 * pieces, split="train")),
            "human": music_figures(human_stretches(shards, source_weights, 4 * pieces)),
            **{f"composed_{mode}": music_figures(stretches[mode]) for mode in SyncMode},
        },
        "affect": {str(mode): affect_figures(composed[mode]) for mode in SyncMode},
        "boundaries": {str(mode): boundary_figures(composed[mode]) for mode in SyncMode},
    }


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True, help="run folder of emsync_train.train")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--windows", type=int, default=160, help="windows of held-out music")
    parser.add_argument("--pieces", type=int, default=24, help="pieces to compose")
    arguments = parser.parse_args()
    try:
        figures = evaluate(
            arguments.run, Shards(arguments.shards), windows=arguments.windows, pieces=arguments.pieces
        )
    except EmsyncError as error:
        sys.exit(f"error: {error}")
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
