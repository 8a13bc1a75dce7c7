"""Memorisation, on melodies drawn by a seed, so that two of them share no run of sixteen notes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_up_shards import made_up_shards

from emsync.errors import InputError
from emsync.types import NOTE_DTYPE, InstrumentGroup, Notes
from emsync_train.dataset import Shards
from emsync_train.memorisation import (
    Copies,
    TrainingMelodies,
    copy_figures,
    melodies,
    memorisation,
    read_songs,
    top_voice,
)

DRUMS, BASS, PIANO = InstrumentGroup.DRUMS, InstrumentGroup.BASS, InstrumentGroup.PIANO
NOTHING = np.zeros(0, NOTE_DTYPE)


def song(seed: int, *, length: int = 40, group: InstrumentGroup = PIANO) -> Notes:
    """A melody of random pitches and gaps; equal seeds give equal melodies."""
    rng = np.random.default_rng(seed)
    notes = np.zeros(length, NOTE_DTYPE)
    notes["onset_ticks"] = np.cumsum(rng.choice([20, 40, 60, 120], length))
    notes["duration_ticks"], notes["velocity"], notes["group"] = 10, 80, group
    notes["pitch"] = rng.integers(60, 84, length)
    return notes


def together(*parts: Notes) -> Notes:
    notes = np.concatenate(parts)
    return np.asarray(notes[np.lexsort((notes["pitch"], notes["group"], notes["onset_ticks"]))])


def transposed(notes: Notes, semitones: int) -> Notes:
    moved = notes.copy()
    moved["pitch"] = moved["pitch"].astype(int) + semitones
    return moved


def stretched(notes: Notes, factor: float) -> Notes:
    moved = notes.copy()
    moved["onset_ticks"] = np.round(notes["onset_ticks"] * factor)
    return moved


def test_a_copy_is_found_whole() -> None:
    known = TrainingMelodies.build([("a", song(1)), ("b", song(2))])
    assert known.copies(song(1)) == Copies(counted=25, copied=25, longest_notes=40)


def test_a_copy_in_another_key_and_tempo_is_found() -> None:
    known = TrainingMelodies.build([("a", song(1))])
    assert known.copied_share(stretched(transposed(song(1), 5), 1.07)) == 1.0


def test_a_copy_below_other_notes_is_found_in_its_group() -> None:
    known = TrainingMelodies.build([("a", song(1))])
    below = transposed(song(1, group=BASS), -24)
    assert known.longest_copy(together(below, song(2))) == 40


def test_a_melody_of_its_own_is_not_found() -> None:
    known = TrainingMelodies.build([("a", song(1)), ("b", song(2))])
    assert known.copied_share(song(3)) == 0.0
    assert known.longest_copy(song(3)) == 0


def test_another_rhythm_is_a_copy_of_the_intervals_alone() -> None:
    even = song(1)
    even["onset_ticks"] = np.arange(len(even)) * 40
    with_rhythm, without = (
        TrainingMelodies.build([("a", song(1))], with_rhythm=wanted) for wanted in (True, False)
    )
    assert with_rhythm.copied_share(even) == 0.0
    assert without.copied_share(even) == 1.0


def test_seventeen_copied_notes_are_two_runs_and_a_longest_copy_of_seventeen() -> None:
    known = TrainingMelodies.build([("a", song(1))])
    piece = song(2)
    piece[10:27] = song(1)[10:27]
    piece["onset_ticks"] = np.cumsum(np.diff(piece["onset_ticks"], prepend=0).clip(5))
    copies = known.copies(piece)
    assert (copies.counted, copies.copied, copies.longest_notes) == (25, 2, 17)


def test_runs_of_fewer_than_four_pitches_are_nobodys() -> None:
    trill = song(1)
    trill["pitch"] = np.resize([60, 62, 64], len(trill))
    known = TrainingMelodies.build([("a", trill)])
    assert len(known.keys) == 0
    assert known.copies(trill).counted == 0
    assert math.isnan(known.copied_share(trill))


def test_a_song_left_out_is_not_found_in_any_of_its_arrangements() -> None:
    known = TrainingMelodies.build([("a", song(1)), ("a", transposed(song(1), 3)), ("b", song(2))])
    assert known.copied_share(song(1), exclude_song="a") == 0.0
    assert known.copied_share(song(1), exclude_song="b") == 1.0
    assert known.copied_share(song(1), exclude_song="unheard of") == 1.0


def test_a_melody_of_two_songs_is_found_without_either() -> None:
    known = TrainingMelodies.build([("a", song(1)), ("b", transposed(song(1), 2))])
    assert known.copied_share(song(1), exclude_song="a") == 1.0


def test_a_shorter_run_finds_a_shorter_copy() -> None:
    piece = song(2)
    piece["pitch"][10:20], piece["onset_ticks"] = song(1)["pitch"][10:20], song(1)["onset_ticks"]
    of_ten, of_sixteen = (TrainingMelodies.build([("a", song(1))], n=n) for n in (10, 16))
    assert of_ten.longest_copy(piece) == 10
    assert of_sixteen.longest_copy(piece) == 0


def test_runs_without_rhythm_are_refused() -> None:
    with pytest.raises(ValueError, match="3 or more"):
        TrainingMelodies.build([], n=2)


@pytest.mark.parametrize("length", [0, 1, 2, 15])
def test_a_piece_too_short_for_a_run_has_no_share(length: int) -> None:
    known = TrainingMelodies.build([("a", song(1)), ("short", song(2, length=length))])
    assert math.isnan(known.copied_share(song(1, length=length)))


def test_nothing_is_found_in_an_empty_training_set() -> None:
    assert TrainingMelodies.build([]).copied_share(song(1)) == 0.0


def test_the_top_voice_is_the_highest_pitch_of_each_instant() -> None:
    rows = [(0, 9, PIANO, 60, 80), (0, 9, PIANO, 67, 80), (5, 9, BASS, 40, 80), (9, 9, BASS, 40, 80)]
    voice = top_voice(together(np.array(rows, NOTE_DTYPE), np.array([(9, 9, PIANO, 55, 80)], NOTE_DTYPE)))
    assert voice["pitch"].tolist() == [67, 40, 55]
    assert voice["onset_ticks"].tolist() == [0, 5, 9]


def test_drums_sing_no_melody_and_a_single_group_is_not_counted_twice() -> None:
    assert len(melodies(together(song(1), song(2, group=DRUMS)))) == 1
    assert len(melodies(together(song(1), song(2, group=BASS)))) == 3
    assert melodies(song(2, group=DRUMS)) == melodies(NOTHING) == []


def test_figures_pool_the_runs_of_all_pieces_and_leave_out_pieces_without_a_melody() -> None:
    figures = copy_figures([Copies(30, 30, 45), Copies(10, 0, 0), Copies(0, 0, 0)])
    assert (figures.pieces, figures.counted, figures.share) == (2, 40, 0.75)
    assert (figures.median_share, figures.largest_share, figures.longest_notes) == (0.5, 1.0, 45)


def test_pieces_without_any_melody_give_no_figures() -> None:
    with pytest.raises(InputError, match="no piece has a melody"):
        copy_figures([Copies(0, 0, 0)])


def test_a_training_song_played_again_is_told_from_the_baseline(tmp_path: Path) -> None:
    shards = Shards(made_up_shards(tmp_path))
    copied = [notes for _, notes in read_songs(shards, shards.of_split("train"))]
    figures = memorisation(shards, copied, pieces=3, rng=np.random.default_rng(0))
    assert figures["generated"].share == 1.0
    assert figures["training_songs"].pieces == 3
    assert figures["training_songs"].share < 0.5
    assert "test_songs" not in figures
