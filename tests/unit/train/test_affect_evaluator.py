"""Affect evaluator: histograms that can be checked by pencil, and a judge that hears what listeners hear."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emsync.music.affect_reading import AffectLabeller
from emsync.types import NOTE_DTYPE, TICKS_PER_S, Floats, InstrumentGroup, Notes
from emsync_train import affect_evaluator, evaluator_features
from emsync_train.affect_evaluator import AffectEvaluator, CorpusJudgement, JudgedAffect, KernelRegressor
from emsync_train.evaluator_features import BINS, BLOCKS, RatedHistograms, soft_bins, window_histograms

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
PIANO, DRUMS, BASS, GUITAR = (
    InstrumentGroup.PIANO,
    InstrumentGroup.DRUMS,
    InstrumentGroup.BASS,
    InstrumentGroup.GUITAR,
)
DOCS = Path(__file__).parents[3] / "docs" / "affect-evaluator.md"


def notes_of(*rows: tuple[int, int, int, int, int]) -> Notes:
    """Rows of (onset, duration, group, pitch, velocity), sorted."""
    notes = np.array(sorted(rows), NOTE_DTYPE)
    return notes[np.lexsort((notes["pitch"], notes["group"], notes["onset_ticks"]))]


def held(*pitches: int, seconds: int = 12) -> Notes:
    return notes_of(*[(0, seconds * TICKS_PER_S, int(PIANO), pitch, 80) for pitch in pitches])


def song(triad: tuple[int, ...], *, tonic: int = 60, gap_ticks: int = 32, seconds: int = 40) -> Notes:
    """Broken triads of tonic, subdominant and tonic again over held basses, 2 s each."""
    rows = []
    for k, onset in enumerate(range(0, seconds * TICKS_PER_S, gap_ticks)):
        root = tonic + (0, 5, 0, 7)[onset // 250 % 4]
        rows.append((onset, gap_ticks, int(PIANO), root + triad[k % 3], 80))
    for bar, onset in enumerate(range(0, seconds * TICKS_PER_S, 250)):
        rows += [(onset, 250, int(PIANO), tonic - 12 + (0, 5, 0, 7)[bar % 4] + step, 70) for step in triad]
    return notes_of(*rows)


def histogram(notes: Notes, block: str, *, start_s: float = 0.0, window_s: float = 12.0) -> Floats:
    found = window_histograms(notes, np.array([start_s]), window_s)
    assert found is not None
    begin = sum(size for name, size in BLOCKS.items() if list(BLOCKS).index(name) < list(BLOCKS).index(block))
    return np.asarray(found[0, begin : begin + BLOCKS[block]])


def bins(**shares: float) -> list[float]:
    return [shares.get(f"b{k}", 0.0) for k in range(12)]


def test_a_value_is_shared_between_its_nearest_bins_and_stays_in_the_last() -> None:
    found = soft_bins(np.array([0.25, 9.0, -9.0]), lowest=0.0, step=1.0, count=3)
    assert found.tolist() == [[0.75, 0.25, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(("triad", "kind"), [((0, 4, 7), 0), ((0, 3, 7), 1), ((0, 3, 6), 2), ((0, 4, 8), 3)])
def test_a_chord_is_known_in_every_key_and_inversion(triad: tuple[int, ...], kind: int) -> None:
    for root in range(48, 60):
        inverted = [root + triad[1], root + triad[2], root + 12]
        for pitches in ([root + step for step in triad], inverted):
            assert histogram(held(*pitches), "chord_type")[kind] == pytest.approx(1.0)


def test_a_bare_octave_is_no_chord() -> None:
    assert histogram(held(48, 60), "chord_type").tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_pitch_classes_are_counted_from_the_lowest_sounding_pitch() -> None:
    assert histogram(held(50, 54, 57), "above_lowest") == pytest.approx(bins(b0=1 / 3, b4=1 / 3, b7=1 / 3))


def test_passing_basses_hardly_move_the_ground() -> None:
    passing = notes_of(
        (0, 900, int(PIANO), 48, 80), (900, 100, int(PIANO), 50, 80), (0, 1000, int(PIANO), 63, 80)
    )
    found = histogram(passing, "above_ground")
    on_c, on_d = np.array([0.9, 0.1]) ** 2 / (0.9**2 + 0.1**2)
    c, d, e_flat = 0.45, 0.05, 0.5
    expected = bins(b0=on_c * c + on_d * d, b2=on_c * d, b3=on_c * e_flat, b10=on_d * c, b1=on_d * e_flat)
    assert found == pytest.approx(expected)


def test_a_broken_chord_is_a_chord() -> None:
    broken = notes_of(*[(k * 25, 25, int(PIANO), 60 + MINOR[k % 3], 80) for k in range(60)])
    assert histogram(broken, "chord_type")[1] > 0.9


def test_harmonic_motion_is_the_interval_from_two_seconds_ago() -> None:
    steps = notes_of((0, 250, int(PIANO), 60, 80), (250, 250, int(PIANO), 65, 80))
    motion = histogram(steps, "harmonic_motion", start_s=2.8, window_s=1.0)
    assert motion == pytest.approx(bins(b5=1.0))


def test_octaves_are_shares_of_the_sounding_pitches() -> None:
    assert histogram(held(42, 66), "octave") == pytest.approx([0, 0.5, 0, 0.5, 0, 0, 0])


def test_onset_gaps_are_half_octaves_of_time() -> None:
    every_half_second = notes_of(*[(k * 62, 30, int(PIANO), 60, 80) for k in range(20)])
    assert int(np.argmax(histogram(every_half_second, "onset_gap"))) == 6
    assert histogram(every_half_second, "gap_ratio") == pytest.approx([0, 0, 1, 0, 0])


def test_players_who_alternate_are_not_one_fast_player() -> None:
    rows = [(k * 62, 30, int(PIANO if k % 2 else GUITAR), 60, 80) for k in range(20)]
    assert histogram(notes_of(*rows), "onset_gap")[8] == pytest.approx(1.0, abs=0.03)


def test_durations_are_half_octaves_of_time() -> None:
    assert histogram(held(60, seconds=2), "duration")[10] == pytest.approx(1.0)


def test_the_melody_is_the_highest_onset_without_the_bass_instrument() -> None:
    melody = [(k * 125, 100, int(PIANO), pitch, 80) for k, pitch in enumerate((60, 62, 62, 69))]
    accompaniment = [(k * 125, 100, int(PIANO), 48, 80) for k in range(4)]
    bass = [(60 + k * 125, 20, int(BASS), 80, 80) for k in range(4)]
    found = histogram(notes_of(*melody, *accompaniment, *bass), "melodic_interval")
    assert found == pytest.approx([1 / 3, 0, 1 / 3, 0, 0, 0, 0, 1 / 3, 0, 0])


def test_drums_and_velocities_are_not_heard() -> None:
    notes = song(MAJOR)
    louder = notes.copy()
    louder["velocity"] = np.arange(len(notes)) % 100 + 20
    drummed = notes_of(*notes.tolist(), *[(k * 30, 10, int(DRUMS), 36, 100) for k in range(150)])
    starts = np.array([0.0, 8.0])
    expected = window_histograms(notes, starts, 12.0)
    assert expected is not None
    for changed in (louder, drummed):
        found = window_histograms(changed, starts, 12.0)
        assert found is not None
        assert np.array_equal(found, expected)


def test_every_block_sums_to_one_in_every_window() -> None:
    found = window_histograms(song(MAJOR), np.array([-6.0, 0.0, 30.0]), 12.0)
    assert found is not None
    edges = np.cumsum([0, *BLOCKS.values()])[:-1]
    assert np.add.reduceat(found, edges, axis=1) == pytest.approx(np.ones((3, len(BLOCKS))))


def test_windows_without_a_pitched_note_are_nan() -> None:
    found = window_histograms(held(60, seconds=2), np.array([0.0, 40.0]), 12.0)
    assert found is not None
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_callers_mistakes_are_refused() -> None:
    notes = song(MAJOR)
    with pytest.raises(ValueError, match="window_s must be above 0"):
        window_histograms(notes, np.array([0.0]), 0.0)
    with pytest.raises(ValueError, match="sorted by onset"):
        window_histograms(notes[::-1], np.array([0.0]), 12.0)
    for duration_s in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="duration_s must be above 0"):
            AffectEvaluator.load().judge(notes, duration_s)


def test_major_is_happier_than_minor_in_every_key() -> None:
    evaluator = AffectEvaluator.load()
    for tonic in range(54, 66):
        major, minor = (evaluator.judge(song(triad, tonic=tonic), 40.0) for triad in (MAJOR, MINOR))
        assert major.valence > minor.valence + 0.2


def test_fast_is_more_aroused_than_slow() -> None:
    evaluator = AffectEvaluator.load()
    fast, slow = (evaluator.judge(song(MAJOR, gap_ticks=gap), 40.0) for gap in (16, 125))
    assert fast.arousal > slow.arousal + 0.4


def test_affect_varies_inside_a_piece() -> None:
    slow, fast = song(MINOR, gap_ticks=125), song(MINOR, gap_ticks=16)
    fast["onset_ticks"] += 40 * TICKS_PER_S
    windows = AffectEvaluator.load().judge_windows(np.concatenate([slow, fast]), 80.0)
    late = windows.centres_s > 46
    early = windows.centres_s < 34
    assert windows.arousal[late].min() > windows.arousal[early].max() + 0.3


def test_a_stretch_is_the_mean_of_its_windows_which_are_those_of_the_labels() -> None:
    notes = song(MAJOR)
    evaluator = AffectEvaluator.load()
    windows = evaluator.judge_windows(notes, 38.0)
    labels = AffectLabeller.load().label(notes, 38.0)
    assert windows.centres_s.tolist() == [(w + 0.5) * labels.hop_s for w in range(len(labels.valence))]
    expected = JudgedAffect(float(windows.valence.mean()), float(windows.arousal.mean()))
    assert evaluator.judge(notes, 38.0) == expected


def test_notes_after_the_stretch_are_not_heard() -> None:
    slow, fast = song(MAJOR, gap_ticks=125, seconds=20), song(MINOR, gap_ticks=16)
    fast["onset_ticks"] += 20 * TICKS_PER_S
    evaluator = AffectEvaluator.load()
    assert evaluator.judge(np.concatenate([slow, fast]), 20.0) == evaluator.judge(slow, 20.0)


@pytest.mark.parametrize("notes", [notes_of(), notes_of((0, 10, int(DRUMS), 36, 90))])
def test_music_without_pitched_notes_is_neutral(notes: Notes) -> None:
    assert AffectEvaluator.load().judge(notes, 30.0) == JudgedAffect(0.0, 0.0)


def test_silence_takes_the_judgement_of_its_nearest_neighbour() -> None:
    windows = AffectEvaluator.load().judge_windows(song(MAJOR, seconds=20), 60.0)
    assert windows.valence[7:] == pytest.approx(np.full(8, windows.valence[6]))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 9000),
            st.integers(0, 4000),
            st.integers(0, 5).filter(lambda group: group in set(InstrumentGroup)),
            st.integers(0, 127),
            st.integers(1, 127),
        ),
        max_size=30,
    ),
    duration_s=st.floats(0.01, 90.0),
)
def test_judgements_are_finite_and_within_bounds_whatever_the_notes(
    rows: list[tuple[int, int, int, int, int]], duration_s: float
) -> None:
    windows = AffectEvaluator.load().judge_windows(notes_of(*rows), duration_s)
    for values in (windows.valence, windows.arousal):
        assert values.shape == windows.centres_s.shape
        assert np.all(np.abs(values) <= 1)


def test_a_minute_of_dense_music_is_judged_within_a_second() -> None:
    notes = song(MAJOR, gap_ticks=3, seconds=60)
    assert len(notes) > 2500
    AffectEvaluator.load()
    start_s = time.perf_counter()
    AffectEvaluator.load().judge(notes, 60.0)
    assert time.perf_counter() - start_s < 1.0


def rated(count: int, *, relation: float, seed: int = 0) -> list[RatedHistograms]:
    """Pieces of random histograms; valence follows the first bin of the first block, arousal nothing."""
    generator = np.random.default_rng(seed)
    pieces = []
    for k in range(count):
        blocks = [generator.dirichlet(np.ones(size), 6) for size in BLOCKS.values()]
        histograms = np.hstack(blocks)
        ratings = generator.normal(0, 0.05, (6, 2))
        ratings[:, 0] += relation * np.sqrt(histograms[:, 0])
        pieces.append(RatedHistograms(f"{k}.mid", histograms, ratings))
    return pieces


def test_the_fit_finds_the_relation_that_made_the_ratings() -> None:
    regressor = affect_evaluator.fit_regressor(rated(80, relation=1.0))
    unseen = rated(20, relation=1.0, seed=1)
    predicted = np.concatenate([regressor.predict(piece.histograms)[:, 0] for piece in unseen])
    wanted = np.concatenate([piece.ratings[:, 0] for piece in unseen])
    assert np.corrcoef(predicted, wanted)[0, 1] > 0.7


def test_every_piece_weighs_the_same_however_long() -> None:
    short, long = rated(2, relation=0.0)
    long = RatedHistograms(
        "long", np.repeat(long.histograms, 50, axis=0), np.repeat(long.ratings, 50, axis=0)
    )
    weights = affect_evaluator.training_set([short, long]).weights
    assert weights[:6].sum() == pytest.approx(0.5)
    assert weights[6:].sum() == pytest.approx(0.5)


def test_noise_asks_for_more_ridge_than_a_relation() -> None:
    _, noise = affect_evaluator.choose_kernel(rated(40, relation=0.0))
    _, relation = affect_evaluator.choose_kernel(rated(40, relation=2.0))
    assert noise == max(affect_evaluator.RIDGES)
    assert relation < noise


def test_exchanged_ratings_keep_the_histograms_and_take_the_name_of_the_other() -> None:
    pieces = rated(30, relation=1.0)
    exchanged = evaluator_features.exchange_ratings(pieces)
    assert sorted(piece.name for piece in exchanged) == sorted(piece.name for piece in pieces)
    assert sum(new.name == old.name for new, old in zip(exchanged, pieces, strict=True)) < 5
    for new, old in zip(exchanged, pieces, strict=True):
        assert np.array_equal(new.histograms, old.histograms)
        assert np.array_equal(new.ratings, pieces[int(new.name.removesuffix(".mid"))].ratings)


def test_the_map_gives_judgements_of_the_corpus_the_quantiles_of_the_labels() -> None:
    generator = np.random.default_rng(2)
    regressor = KernelRegressor(np.ones(BINS), np.zeros((1, BINS)), 1.0, np.zeros(2), np.zeros((1, 2)))
    corpus = [CorpusJudgement("a", generator.normal(0.3, 0.1, (30, 2)), 1.0, None) for _ in range(40)]
    evaluator = affect_evaluator.map_over_corpus(regressor, corpus)
    judged = evaluator.mapped(np.concatenate([file.raw for file in corpus]))
    for column in judged.T:
        assert np.quantile(column, [0.05, 0.5, 0.95]) == pytest.approx([-0.8, 0.0, 0.8], abs=0.02)


def write_rows(path: Path, *rows: dict[str, object]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_ratings_are_taken_after_the_music_that_they_answer(tmp_path: Path) -> None:
    track = mido.MidiTrack()
    for _ in range(40):
        track += [mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=960)]
    mido.MidiFile(tracks=[track]).save(tmp_path / "a.mid")
    rows: list[dict[str, object]] = []
    for measure in range(40):
        row: dict[str, object] = {"midi": "a.mid", "measure": measure, "n_measures": 40, "duration": 40}
        rows.append(row | {"valence_mean": measure + 0.5, "arousal_mean": 0})
    write_rows(tmp_path / "ratings.csv", *rows, rows[0] | {"midi": "missing.mid"})
    (piece,) = evaluator_features.read_rated(tmp_path / "ratings.csv", tmp_path)
    centres_s = (np.arange(10) + 0.5) * 4
    assert piece.histograms.shape == (10, BINS)
    assert piece.ratings[3:7, 0] == pytest.approx(centres_s[3:7] + 3.0, abs=0.5)


def test_quadrants_are_left_out_where_the_phrases_of_a_piece_disagree(tmp_path: Path) -> None:
    rows = [("a_0", 1, -1), ("b_0", 1, 1), ("b_1", -1, 1), ("c_d_0", -1, -1), ("c_d_1", -1, -1)]
    signs = [{"midi": f"phrases/{name}.mid", "valence": v, "arousal": a} for name, v, a in rows]
    write_rows(tmp_path / "labelled.csv", *signs)
    found = evaluator_features.read_quadrants(tmp_path / "labelled.csv")
    assert {name: value.tolist() for name, value in found.items()} == {"a.mid": [1, -1], "c_d.mid": [-1, -1]}


def test_a_file_that_is_no_evaluator_is_refused(tmp_path: Path) -> None:
    other = json.loads(affect_evaluator.DEFAULT_PATH.read_text(encoding="utf-8")) | {"blocks": {"octave": 7}}
    for text in ("{}", "not json", json.dumps(other)):
        path = tmp_path / f"{len(text)}.json"
        path.write_text(text)
        with pytest.raises(ValueError, match="is not an affect evaluator"):
            AffectEvaluator.load(path)


def test_the_shipped_evaluator_is_small_and_better_than_shuffled_ratings() -> None:
    fit = json.loads(affect_evaluator.DEFAULT_PATH.read_text(encoding="utf-8"))["fit"]
    assert affect_evaluator.DEFAULT_PATH.stat().st_size < 100_000
    for axis in ("valence", "arousal"):
        assert fit["left_out_pieces"][axis]["ccc"] > fit["shuffled_ratings"][axis]["ccc"] + 0.5


def test_the_tables_in_the_docs_are_those_that_were_measured() -> None:
    fit = json.loads(affect_evaluator.DEFAULT_PATH.read_text(encoding="utf-8"))["fit"]
    docs = DOCS.read_text(encoding="utf-8")
    for how in ("left_out_pieces", "shuffled_ratings"):
        for axis in ("valence", "arousal"):
            figures = " | ".join(f"{value:.2f}" for value in fit[how][axis].values())
            assert f"| {how.replace('_', ' ')} | {axis} | {figures} |" in docs
        shares = " | ".join(f"{value:.2f}" for value in fit[how]["quadrants"].values())
        assert f"| {how.replace('_', ' ')} | {shares} |" in docs
    for axis, found in fit["likeness_to_labels_on_left_out_pieces"].items():
        assert f"| {axis} | " + " | ".join(f"{value:.2f}" for value in found.values()) + " |" in docs
    valence, arousal = (fit["likeness_to_labels_on_the_corpus"][axis] for axis in ("valence", "arousal"))
    for source in valence["pearson_by_source"]:
        row = [found[key][source] for found in (valence, arousal) for key in list(found)[2:]]
        assert f"| {source} | " + " | ".join(f"{value:.2f}" for value in row) + " |" in docs


def test_fit_without_the_rated_pieces_says_so_and_writes_nothing(tmp_path: Path) -> None:
    write_rows(tmp_path / "vgmidi_measure_va.csv", {"midi": "a.mid", "measure": 0})
    out = tmp_path / "out.json"
    folders = ["--affect", tmp_path, "--midi", tmp_path, "--manifest", tmp_path / "m.csv", "--out", out]
    command = [sys.executable, "-m", "emsync_train.affect_evaluator", "fit", *map(str, folders)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: only 0 rated pieces found")
    assert ended.stderr.count("\n") == 1
    assert not out.exists()
