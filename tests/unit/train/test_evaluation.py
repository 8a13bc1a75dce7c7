"""What the evaluation counts, on made-up pieces whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric")

from made_up_shards import made_up_piece, write_shards

from emsync.music.tokenizer import encode
from emsync.music.vocabulary import EMSYNC
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Composition, InstrumentGroup
from emsync_train.card_tables import affect_table, boundary_table, likelihood_table, number
from emsync_train.dataset import Shards, WindowOptions
from emsync_train.evaluate import update_results
from emsync_train.evaluation.affect import LEVELS, affect_figures
from emsync_train.evaluation.boundaries import FILM_S, boundary_figures, struck_chords_s
from emsync_train.evaluation.composing import GAPS_S, LAST_BOUNDARY_S, film_of
from emsync_train.evaluation.likelihood import (
    LEFT_OUT,
    baseline_likelihood,
    network_likelihood,
    training_sample,
)
from emsync_train.evaluation.likelihood import (
    test_batches as batches_of,
)
from emsync_train.evaluation.music import FIGURES, STRETCH_S, Stretch, human_stretches, music_figures
from emsync_train.model import Composer
from emsync_train.model_config import ModelConfig


def composition(
    chords_s: list[float], *, late_s: float = 0.0, pitches: tuple[int, ...] = (48, 55, 64)
) -> Composition:
    """CHORD tokens at the given times, and piano chords of a second struck `late_s` after each."""
    chords = tuple(round(time_s * TICKS_PER_S) for time_s in chords_s)
    late = round(late_s * TICKS_PER_S)
    rows = [
        (onset + late, TICKS_PER_S, InstrumentGroup.PIANO, pitch, 80) for onset in chords for pitch in pitches
    ]
    duration = round(FILM_S * TICKS_PER_S)
    bars = tuple(range(0, duration, 250))
    return Composition(np.array(rows, NOTE_DTYPE), bars, chords, duration, (), 0, "")


def cuts_of(number: int) -> list[float]:
    return [boundary.time_s for boundary in film_of(number, duration_s=FILM_S).boundaries]


def test_made_up_films_have_cuts_as_far_apart_as_promised_and_none_near_the_end() -> None:
    for film in range(20):
        times_s = cuts_of(film)
        gaps_s = np.diff([0.0, *times_s])
        assert (gaps_s >= GAPS_S[0] - 1e-3).all()
        assert (gaps_s <= GAPS_S[1] + 1e-3).all()
        assert times_s[-1] < FILM_S - LAST_BOUNDARY_S


def test_a_film_without_boundaries_keeps_its_affect() -> None:
    bare, whole = film_of(3, duration_s=FILM_S, boundaries=False), film_of(3, duration_s=FILM_S)
    assert bare.boundaries == ()
    assert bare.affect == whole.affect


def test_chords_on_every_boundary_score_one_and_less_on_another_films() -> None:
    figures = boundary_figures([composition(cuts_of(film)) for film in range(6)])
    assert figures["announced_own"]["50_ms"]["f1"] == 1.0
    assert figures["struck_own"]["50_ms"]["recall"] == 1.0
    assert figures["announced_shuffled"]["50_ms"]["f1"] < 0.2


def test_late_chords_count_at_the_wider_tolerances_only_and_show_as_offset() -> None:
    figures = boundary_figures([composition(cuts_of(film), late_s=0.2) for film in range(4)])["struck_own"]
    assert figures["100_ms"]["f1"] == 0.0
    assert figures["250_ms"]["f1"] == 1.0
    assert figures["250_ms"]["median_signed_offset_ms"] == pytest.approx(200, abs=8)


def test_chords_that_answer_nothing_cost_precision_and_not_recall() -> None:
    pieces = [
        composition(sorted([*cuts_of(film), *(time_s + 2.0 for time_s in cuts_of(film))]))
        for film in range(4)
    ]
    figures = boundary_figures(pieces)["announced_own"]["250_ms"]
    assert figures["recall"] == 1.0
    assert 0.4 < figures["precision"] < 0.6


def test_the_chord_that_ends_every_piece_is_not_counted() -> None:
    ended = [composition([*cuts_of(film), FILM_S - 3]) for film in range(4)]
    assert boundary_figures(ended)["announced_own"]["250_ms"]["precision"] == 1.0


def test_two_pitches_or_short_ones_are_no_struck_chord() -> None:
    assert len(struck_chords_s(composition([1.0, 2.0], pitches=(48, 55)))) == 0
    short = composition([1.0])
    short.notes["duration_ticks"] = 20
    assert len(struck_chords_s(short)) == 0


def test_music_that_feels_as_asked_scores_higher_than_shuffled_requests() -> None:
    asked, pieces = [], []
    for valence in LEVELS:
        for arousal in LEVELS:
            asked.append((valence, arousal))
            pieces.append(scale_piece(major=valence > 0, notes_per_s=4 * 4 ** (arousal + 0.5)))
    figures = affect_figures(np.array(asked), pieces)
    assert figures["labeller"]["arousal_spearman"] > 0.8
    assert abs(figures["labeller_shuffled"]["arousal_spearman"]) < 0.5
    assert 0 < figures["labeller"]["arousal_ccc_standard_error"] < 0.15
    assert figures["labeller_shuffled"]["arousal_ccc_standard_error"] > 0.1
    assert (
        np.array(figures["cells"]["notes_per_group"])[:, -1].mean()
        > np.array(figures["cells"]["notes_per_group"])[:, 0].mean()
    )


def scale_piece(*, major: bool, notes_per_s: float) -> Composition:
    """A scale up and down for 24 s."""
    steps = [0, 2, 4 if major else 3, 5, 7, 9 if major else 8, 11 if major else 10, 12]
    onsets = np.arange(0, 24 * TICKS_PER_S, TICKS_PER_S / notes_per_s).astype(int)
    length = max(int(TICKS_PER_S / notes_per_s) - 1, 1)
    rows = [(onset, length, 3, 60 + steps[place % len(steps)], 80) for place, onset in enumerate(onsets)]
    return Composition(np.array(rows, NOTE_DTYPE), (0, 250, 500), (), 24 * TICKS_PER_S, (), 0, "")


def test_human_stretches_are_as_long_as_composed_pieces_and_hold_no_note_beyond(tmp_path: Path) -> None:
    pieces = [encode(made_up_piece(seed, bars=60)) for seed in range(3)]
    shards = Shards(write_shards(tmp_path, pieces, splits=["test", "test", "train"]))
    for stretch in human_stretches(shards, {}, 5, split="test"):
        assert stretch.length_ticks == STRETCH_S * TICKS_PER_S
        assert len(stretch.notes) > 50
        assert (stretch.notes["onset_ticks"] + stretch.notes["duration_ticks"] <= stretch.length_ticks).all()
        assert len(stretch.bars) in (31, 32)


def test_every_figure_has_a_mean_over_all_stretches() -> None:
    piece = made_up_piece(1)
    table = music_figures([Stretch(piece.notes, piece.bar_onsets_ticks, piece.end_ticks)] * 2)
    assert set(table) == set(FIGURES)
    assert all(figure["pieces"] == 2 and figure["deviation"] == 0 for figure in table.values())


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    pieces = [encode(made_up_piece(seed, bars=40)) for seed in range(4)]
    return Shards(
        write_shards(tmp_path_factory.mktemp("shards"), pieces, splits=["test", "test", "train", "train"])
    )


def test_a_network_that_knows_nothing_has_the_likelihood_of_chance(shards: Shards) -> None:
    network = Composer(ModelConfig(EMSYNC.size, layers=1, width=16, heads=2, feed_forward=16, context=64))
    network.embedding.weight.data.zero_()
    batches = batches_of(shards, {}, WindowOptions(length=64), windows=8)
    found = network_likelihood(network, batches, EMSYNC)
    assert found.nats_per_token == pytest.approx(np.log(EMSYNC.size), abs=1e-4)
    assert found.nats_per_note > found.nats_per_token


def test_windows_of_the_evaluation_are_not_varied_and_give_every_condition(shards: Shards) -> None:
    first, again = (batches_of(shards, {}, WindowOptions(length=64), windows=16) for _ in range(2))
    assert (first[1].tokens == again[1].tokens).all()
    is_music = first[0].tokens[:, :-1] != EMSYNC.special("PAD")
    assert first[0].present[is_music][:, :4].all()


def test_an_n_gram_counted_on_the_same_music_does_better_than_a_unigram(shards: Shards) -> None:
    batches = batches_of(shards, {}, WindowOptions(length=64), windows=16)
    sample = training_sample(shards, {})
    unigram, five_gram = (baseline_likelihood(sample, order, batches, EMSYNC) for order in (1, 5))
    assert five_gram.nats_per_token < unigram.nats_per_token < np.log(EMSYNC.size)


def test_leaving_out_everything_names_every_condition() -> None:
    assert len(LEFT_OUT["no_conditions"]) == 11
    assert LEFT_OUT["all_conditions"] == ()


def test_results_of_other_weights_are_thrown_away_and_of_the_same_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    update_results(path, {"weights_sha256": "a"}, "music", {"x": float("nan")}, "command")
    update_results(path, {"weights_sha256": "a"}, "affect", {"y": 1.23456789}, "command")
    same = json.loads(path.read_text(encoding="utf-8"))
    assert same["music"]["x"] is None
    assert same["affect"]["y"] == 1.23457
    update_results(path, {"weights_sha256": "b"}, "affect", {}, "command")
    assert set(json.loads(path.read_text(encoding="utf-8"))) == {"weights_sha256", "affect"}


def test_tables_say_numbers_in_rows_and_a_dash_for_what_is_undefined() -> None:
    row = {"nats_per_token": 2.5, "nats_per_note": 6.25, "top_1": None, "top_5": 0.5}
    lines = likelihood_table({"no_bars": row}).splitlines()
    assert lines[2] == "| composer, all but bars | 2.500 | 6.25 | - | 0.50 |"
    assert number(None) == "-"


def test_boundary_and_affect_tables_have_a_row_for_each_mode_and_judge() -> None:
    cell = {"recall": 1, "precision": 1, "f1": 1, "f1_standard_error": 0, "median_signed_offset_ms": 0}
    kinds = {
        f"{kind}_{side}": {"250_ms": cell} for kind in ("announced", "struck") for side in ("own", "shuffled")
    }
    text = boundary_table({"exact": kinds, "soft": kinds, "none_given": kinds})
    assert len(text.splitlines()) == 2 + 6
    names = ("valence_ccc", "valence_spearman", "arousal_ccc", "arousal_spearman", "quadrant_accuracy")
    judges = ("evaluator", "evaluator_shuffled", "labeller", "labeller_shuffled")
    assert len(affect_table({judge: dict.fromkeys(names, 0.5) for judge in judges}).splitlines()) == 2 + 4
