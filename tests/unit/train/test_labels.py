"""Affect labels: the fit finds what is there, and nothing in noise."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emsync.music import affect_reading
from emsync.music.music_features import FEATURE_NAMES
from emsync.weights import ASSETS
from emsync_train import affect_fit

SHIPPED = ASSETS / "affect_regressor.json"


def test_ridge_finds_the_weights_that_made_the_ratings() -> None:
    generator = np.random.default_rng(0)
    mode, pulse = (FEATURE_NAMES.index(name) for name in ("mode", "pulse"))
    pieces = []
    for k in range(40):
        features = generator.uniform(-1, 1, (10, len(FEATURE_NAMES)))
        ratings = np.stack([0.5 * features[:, mode], -0.3 * features[:, pulse] + 0.1], axis=1)
        pieces.append(affect_fit.RatedPiece(str(k), features, ratings, np.zeros(2)))
    valence, arousal = affect_fit.fit_regressors(pieces).values()
    assert valence.names[int(np.argmax(np.abs(valence.weights)))] == "mode"
    assert arousal.names[int(np.argmin(arousal.weights))] == "pulse"
    assert affect_fit.compare(pieces)["by_piece"]["valence"].pearson > 0.7


def test_cross_validation_finds_nothing_in_noise() -> None:
    generator = np.random.default_rng(1)
    pieces = [
        affect_fit.RatedPiece(
            str(k), generator.normal(size=(5, len(FEATURE_NAMES))), generator.normal(size=(5, 2)), np.zeros(2)
        )
        for k in range(60)
    ]
    folds = np.array_split(np.arange(60), 10)
    assert all(found.r2 < 0.02 for found in affect_fit.cross_validate(pieces, folds).values())


def test_concordance_by_pencil() -> None:
    a = np.array([0.0, 2.0])
    assert affect_fit.concordance(a, a) == pytest.approx(1.0)
    assert affect_fit.concordance(a, a + 1) == pytest.approx(2 / 3)
    assert affect_fit.concordance(a, -a) == pytest.approx(-2 / 6)


def test_weighted_quantiles_follow_the_weights() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    assert affect_fit.weighted_quantiles(values, weights, np.array([0.0, 0.5, 1.0])).tolist() == [1, 2, 3]


def test_the_map_puts_the_corpus_median_at_zero() -> None:
    generator = np.random.default_rng(2)
    names = ("mode",)
    regressor = affect_reading.Regressor(names, np.zeros(1), np.ones(1), 3.0, 0.2, np.array([0.1]))
    corpus = [
        affect_fit.CorpusSample(generator.normal(size=(30, len(FEATURE_NAMES))), 1.0) for _ in range(40)
    ]
    axis = affect_fit.map_over_corpus({"valence": regressor}, corpus)["valence"]
    found = np.concatenate([axis.label_of(sample.features) for sample in corpus])
    assert np.quantile(found, [0.05, 0.5, 0.95]) == pytest.approx([-0.8, 0.0, 0.8], abs=0.02)


def test_annotator_noise_is_recovered_from_mean_and_median() -> None:
    ratings = np.random.default_rng(3).normal(0.0, 0.5, (4000, 30))
    squared = np.full(2, np.mean((ratings.mean(axis=1) - np.median(ratings, axis=1)) ** 2))
    piece = affect_fit.RatedPiece("", np.zeros((1, 1)), np.zeros((1, 2)), squared)
    assert affect_fit.annotator_noise([piece]) == pytest.approx([0.5 / np.sqrt(30)] * 2, rel=0.05)


def test_the_table_in_the_docs_is_the_one_that_was_measured() -> None:
    measured = json.loads(SHIPPED.read_text(encoding="utf-8"))["fit"]["cross_validated"]
    docs = (Path(__file__).parents[3] / "docs" / "affect-labels.md").read_text(encoding="utf-8")
    for how, found in measured.items():
        for axis, figures in found.items():
            row = f"| {how.replace('_', ' ')} | {axis} | " + " | ".join(f"{v:.2f}" for v in figures.values())
            assert row in docs


def test_fit_without_the_rated_pieces_says_so_and_writes_nothing(tmp_path: Path) -> None:
    row = {"midi": "a.mid", "measure": "0", "n_measures": "1", "duration": "2"}
    row |= {f"{axis}_{kind}": "0" for axis in ("valence", "arousal") for kind in ("mean", "median")}
    with (tmp_path / "vgmidi_measure_va.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    out = tmp_path / "out.json"
    folders = ["--affect", tmp_path, "--midi", tmp_path, "--manifest", tmp_path / "m.csv", "--out", out]
    command = [sys.executable, "-m", "emsync_train.labels", "fit", *map(str, folders)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: only 0 rated pieces found")
    assert ended.stderr.count("\n") == 1
    assert not out.exists()
