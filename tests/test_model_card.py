"""The model card says what was measured, about the weights that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

from emsync.weights import ASSETS, COMPOSER, weights_entry
from emsync_train.model_card import boundary_table, music_table

CARD = (ASSETS / "MODEL_CARD.md").read_text("utf-8")
RESULTS = json.loads((Path(__file__).parents[1] / "benchmarks/results/music.json").read_text("utf-8"))


def test_the_results_and_the_card_are_about_the_shipped_weights() -> None:
    sha256 = weights_entry(COMPOSER).sha256
    assert RESULTS["weights_sha256"] == sha256
    assert sha256 in CARD


def test_the_tables_of_the_card_are_those_of_the_results() -> None:
    assert music_table(RESULTS["music"]) in CARD
    assert boundary_table(RESULTS["boundaries"]) in CARD


def test_the_likelihoods_of_the_card_are_those_of_the_results() -> None:
    for name in ("unigram", "5_gram", "no_conditions", "no_boundaries", "all_conditions"):
        assert f"| {RESULTS['nats_per_token'][name]:.3f} |" in CARD


def test_the_composer_beats_its_baselines_on_held_out_songs() -> None:
    nats = RESULTS["nats_per_token"]
    assert nats["all_conditions"] < nats["no_conditions"] < nats["5_gram"] < nats["unigram"]
