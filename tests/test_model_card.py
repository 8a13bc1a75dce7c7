"""The model card says what was measured, about the weights that are shipped; and what was measured holds up."""

from __future__ import annotations

import json
from pathlib import Path

from emsync.weights import ASSETS, COMPOSER, weights_entry
from emsync_train.card_tables import (
    affect_table,
    boundary_table,
    copies_table,
    designs_table,
    likelihood_table,
    music_table,
)

CARD = (ASSETS / "MODEL_CARD.md").read_text("utf-8")
FOLDER = Path(__file__).parents[1] / "benchmarks" / "results"
RESULTS = json.loads((FOLDER / "music.json").read_text("utf-8"))
DESIGNS = json.loads((FOLDER / "designs.json").read_text("utf-8"))


def test_the_results_and_the_card_are_about_the_shipped_weights() -> None:
    sha256 = weights_entry(COMPOSER).sha256
    assert RESULTS["weights_sha256"] == sha256
    assert sha256 in CARD
    assert RESULTS["corpus_tokens_sha256"] in CARD


def test_the_tables_of_the_card_are_those_of_the_results() -> None:
    assert music_table(RESULTS["music"]) in CARD
    assert boundary_table(RESULTS["boundaries"]) in CARD
    assert affect_table(RESULTS["affect"]) in CARD
    assert likelihood_table(RESULTS["likelihood"]["models"]) in CARD
    assert copies_table(RESULTS["memorisation"]) in CARD
    assert designs_table(DESIGNS) in CARD


def test_every_section_says_with_which_command_it_was_made() -> None:
    for name in ("likelihood", "boundaries", "affect", "music", "memorisation"):
        assert RESULTS[name]["command"] in CARD


def test_the_composer_beats_its_baselines_on_held_out_songs() -> None:
    nats = {name: row["nats_per_token"] for name, row in RESULTS["likelihood"]["models"].items()}
    assert nats["all_conditions"] < nats["no_conditions"] < nats["5_gram"] < nats["unigram"]


def test_chords_answer_the_cuts_of_their_own_film_and_not_of_another() -> None:
    for mode in ("soft", "exact"):
        figures = RESULTS["boundaries"][mode]
        own, shuffled = figures["announced_own"]["250_ms"], figures["announced_shuffled"]["250_ms"]
        assert own["f1"] > shuffled["f1"] + 3 * own["f1_standard_error"]
    assert RESULTS["boundaries"]["exact"]["announced_own"]["50_ms"]["recall"] == 1.0


def test_affect_follows_what_was_asked_more_than_what_others_asked() -> None:
    affect = RESULTS["affect"]
    for axis in ("valence", "arousal"):
        assert affect["evaluator"][f"{axis}_ccc"] > affect["evaluator_shuffled"][f"{axis}_ccc"] + 0.15
