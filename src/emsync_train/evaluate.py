"""Measure a trained composer on held-out songs and by the music it writes.

Command: python -m emsync_train.evaluate --run RUN --shards DIR --out results.json [--shipped] [--parts music ...]

Each part writes its own section of the result file, with the command that made it:
    likelihood    nats and guesses on songs of the `test` split, by what the network is told, beside n-grams
    boundaries    how chords answer cuts: with boundaries (soft and exact), with another film's, with none
    affect        a sweep over valence and arousal, scored by two judges
    music         figures of composed pieces beside stretches of training and of held-out songs
    memorisation  how much of the melodies occurs in training songs
With `--shipped` music is composed by the weights that come with the package, else by the run's network in torch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from emsync.errors import EmsyncError, InputError
from emsync.music.conditions import Condition
from emsync.options import ComposeOptions, SyncMode
from emsync.output_file import atomic_output
from emsync.types import Composition
from emsync.weights import COMPOSER, weights_entry
from emsync_train.dataset import Shards, WindowOptions
from emsync_train.evaluation import affect, boundaries, likelihood, music
from emsync_train.evaluation.composing import Subject
from emsync_train.export import load_checkpoint
from emsync_train.memorisation import memorisation

Json = dict[str, Any]
HUMAN_STRETCHES = 96
MEMORISED_PIECES = 200


@dataclass(frozen=True)
class Evaluation:
    """What is measured, against what, and how much of it."""

    run: Path
    shards: Shards
    subject: Subject
    options: ComposeOptions
    source_weights: Mapping[str, float]
    windows: int
    pieces: int
    per_cell: int
    workers: int
    composed: dict[tuple[ComposeOptions, bool], list[Composition]] = field(default_factory=dict)

    def likelihood(self) -> Json:
        """Table of `evaluation.likelihood`, a row for each set of conditions left out."""
        network, settings = load_checkpoint(self.run / "weights.safetensors")
        vocabulary = self.shards.vocabulary
        if settings["vocabulary"] != vocabulary.name:
            raise InputError(
                f"{self.run}: trained in vocabulary {settings['vocabulary']}, not {vocabulary.name}"
            )
        options = WindowOptions(length=network.config.context, horizon_s=network.config.horizon_s)
        batches = likelihood.test_batches(self.shards, self.source_weights, options, self.windows)
        is_paper = network.config.conditioning == "prefix"
        known = (Condition.VALENCE, Condition.AROUSAL, Condition.BOUNDARY_OFFSET_S)
        rows = {
            name: asdict(likelihood.network_likelihood(network, batches, vocabulary, left_out))
            for name, left_out in likelihood.LEFT_OUT.items()
            if not is_paper or len(left_out) == len(Condition) or set(left_out) <= set(known)
        }
        sample = likelihood.training_sample(self.shards, self.source_weights)
        for name, order in (("unigram", 1), (f"{likelihood.NGRAM_ORDER}_gram", likelihood.NGRAM_ORDER)):
            rows[name] = asdict(likelihood.baseline_likelihood(sample, order, batches, vocabulary))
        counted = sum(int(likelihood.is_counted(batch.tokens, vocabulary).sum()) for batch in batches)
        return {"windows": self.windows, "tokens": counted, "models": rows}

    def boundaries(self) -> Json:
        """Tables of `evaluation.boundaries` for soft, exact and without boundaries."""
        soft, exact = (replace(self.options, sync=mode) for mode in (SyncMode.PAPER, SyncMode.EXACT))
        with_and_without = {"soft": (soft, True), "exact": (exact, True), "none_given": (soft, False)}
        return {
            name: boundaries.boundary_figures(self._for_films(options, given))
            for name, (options, given) in with_and_without.items()
        }

    def _for_films(self, options: ComposeOptions, given: bool = True) -> list[Composition]:
        """The pieces for the films of `evaluation.boundaries`; composed once, though several parts ask for them."""
        key = (options, given)
        if key not in self.composed:
            self.composed[key] = boundaries.compose_for_boundaries(
                self.subject, options, pieces=self.pieces, workers=self.workers, boundaries=given
            )
        return self.composed[key]

    def affect(self) -> Json:
        """Table of `evaluation.affect`."""
        asked, pieces = affect.sweep(
            self.subject, self.options, pieces_per_cell=self.per_cell, workers=self.workers
        )
        return affect.affect_figures(asked, pieces)

    def music(self) -> Json:
        """Figures of composed pieces beside those of songs."""
        table = {
            f"{split}_songs": music.music_figures(
                music.human_stretches(self.shards, self.source_weights, HUMAN_STRETCHES, split=split)
            )
            for split in ("train", "test")
        }
        for mode in SyncMode:
            pieces = self._for_films(replace(self.options, sync=mode))
            table[f"composed_{mode}"] = music.music_figures([music.Stretch.of(piece) for piece in pieces])
        return table

    def memorisation(self) -> Json:
        """Copied melodies of the pieces composed for films, beside those of songs."""
        generated = [piece.notes for piece in self._for_films(self.options)]
        figures = memorisation(self.shards, generated, pieces=MEMORISED_PIECES, rng=np.random.default_rng(0))
        return {name: asdict(values) for name, values in figures.items()}

    def parts(self) -> dict[str, Callable[[], Json]]:
        """Every part by name."""
        return {
            "likelihood": self.likelihood,
            "boundaries": self.boundaries,
            "affect": self.affect,
            "music": self.music,
            "memorisation": self.memorisation,
        }


PARTS = ("likelihood", "boundaries", "affect", "music", "memorisation")


def update_results(path: Path, facts: Json, name: str, section: Json, command: str) -> None:
    """Write one section of a result file; sections of other weights or another corpus are thrown away."""
    results: Json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if any(results.get(key) != value for key, value in facts.items()):
        results = dict(facts)
    results[name] = {"command": command, **section}
    with atomic_output(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Floats to five digits; NaN, which JSON does not know, to null."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 5) if np.isfinite(value) else None
    return value


def _facts(run: Path, shards: Shards, *, shipped: bool) -> Json:
    """What the results are of."""
    network, settings = load_checkpoint(run / "weights.safetensors")
    return {
        "run": run.name,
        "parameters": network.parameter_count,
        "corpus_tokens_sha256": shards.tokens_sha256,
        "vocabulary": settings["vocabulary"],
        "weights_sha256": weights_entry(COMPOSER).sha256 if shipped else None,
    }


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True, help="run folder of emsync_train.train")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--shipped", action="store_true", help="compose with the package's weights")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--windows", type=int, default=160, help="windows of held-out music")
    parser.add_argument("--pieces", type=int, default=32, help="pieces of a minute for films")
    parser.add_argument("--per-cell", type=int, default=16, help="pieces for each cell of the affect sweep")
    parser.add_argument("--affect-guidance", type=float, default=ComposeOptions().affect_guidance)
    parser.add_argument("--boundary-guidance", type=float, default=ComposeOptions().boundary_guidance)
    parser.add_argument("--key-strength", type=float, default=ComposeOptions().key_strength)
    parser.add_argument("--tempo", type=float, help="one tempo for all pieces, else arousal sets it")
    parser.add_argument("--free-bars", action="store_true", help="bar lines where the network likes")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    try:
        _measure(arguments)
    except EmsyncError as error:
        sys.exit(f"error: {error}")


def _measure(arguments: argparse.Namespace) -> None:
    shards = Shards(arguments.shards)
    _, settings = load_checkpoint(arguments.run / "weights.safetensors")
    evaluation = Evaluation(
        run=arguments.run,
        shards=shards,
        subject=Subject(None if arguments.shipped else arguments.run),
        options=ComposeOptions(
            affect_guidance=arguments.affect_guidance,
            boundary_guidance=arguments.boundary_guidance,
            planned_bars=not arguments.free_bars,
            key_strength=arguments.key_strength,
            tempo_bpm=arguments.tempo,
        ),
        source_weights=dict(settings["source_weights"]),
        windows=arguments.windows,
        pieces=arguments.pieces,
        per_cell=arguments.per_cell,
        workers=arguments.workers,
    )
    facts = _facts(arguments.run, shards, shipped=arguments.shipped)
    sizes = f"--windows {arguments.windows} --pieces {arguments.pieces} --per-cell {arguments.per_cell}"
    scales = (
        f"--affect-guidance {arguments.affect_guidance:g} --boundary-guidance {arguments.boundary_guidance:g}"
    )
    scales += f" --key-strength {arguments.key_strength:g}"
    scales += f" --tempo {arguments.tempo:g}" if arguments.tempo else ""
    flags = f"{' --shipped' if arguments.shipped else ''}{' --free-bars' if arguments.free_bars else ''}"
    for name in arguments.parts:
        section = evaluation.parts()[name]()
        command = f"python -m emsync_train.evaluate --parts {name} {sizes} {scales}{flags}"
        update_results(arguments.out, facts, name, section, command)
        print(f"{name}: written to {arguments.out}")


if __name__ == "__main__":
    main()
