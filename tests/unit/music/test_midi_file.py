"""A written score is heard and seen elsewhere exactly as composed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import miditoolkit
import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_examples import (
    absolute,
    assert_same,
    composition_of,
    cue_sheet_of,
    expected,
    heard,
    in_order,
    notes_of,
    one_note_per_group,
    random_bars,
    random_notes,
)
from symusic.core import ScoreTick

from emsync.errors import MidiError, OutputError
from emsync.music.midi_file import read_markers, read_midi, write_midi
from emsync.types import (
    NOTE_DTYPE,
    Boundary,
    Cut,
    Hit,
    InstrumentGroup,
)


@given(seed=st.integers(0, 2**32 - 1), seconds=st.integers(1, 90), with_bars=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_note_is_heard_within_a_millisecond(
    seed: int, seconds: int, with_bars: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generator = np.random.default_rng(seed)
    end_ticks = seconds * 125
    notes = random_notes(generator, end_ticks, 200)
    bars = random_bars(generator, end_ticks) if with_bars else ()
    path = tmp_path_factory.mktemp("midi") / "score.mid"
    write_midi(composition_of(notes, bars, end_ticks), cue_sheet_of(float(seconds)), path)
    assert_same(heard(mido.MidiFile(path)), expected(notes))
    assert np.array_equal(read_midi(path), notes)


def test_pretty_midi_symusic_and_miditoolkit_find_the_same_notes(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    end_ticks = 60 * 125
    notes = random_notes(generator, end_ticks, 600)
    path = tmp_path / "score.mid"
    write_midi(composition_of(notes, random_bars(generator, end_ticks), end_ticks), cue_sheet_of(60.0), path)
    assert len(notes) > 200
    for read in (pretty_midi_notes, symusic_notes, miditoolkit_notes):
        assert_same(read(path), expected(notes))


PROGRAMS = {"Drums": 0, "Bass": 33, "Guitar": 25, "Piano": 0, "Strings": 48}
CHANNELS = {(0, True): 9, (33, False): 0, (25, False): 1, (0, False): 2, (48, False): 3}


def pretty_midi_notes(path: Path) -> list[tuple[float, float, int, int, int]]:
    instruments = pretty_midi.PrettyMIDI(str(path)).instruments
    return in_order(
        [
            (note.start, note.end, CHANNELS[one.program, one.is_drum], note.pitch, note.velocity)
            for one in instruments
            for note in one.notes
        ]
    )


def symusic_notes(path: Path) -> list[tuple[float, float, int, int, int]]:
    score: Any = ScoreTick.from_file(path).to("second")
    return in_order(
        [
            (note.start, note.end, CHANNELS[track.program, track.is_drum], note.pitch, note.velocity)
            for track in score.tracks
            for note in track.notes
        ]
    )


def miditoolkit_notes(path: Path) -> list[tuple[float, float, int, int, int]]:
    file = miditoolkit.MidiFile(str(path))
    seconds = file.get_tick_to_time_mapping()
    return in_order(
        [
            (
                float(seconds[note.start]),
                float(seconds[note.end]),
                CHANNELS[one.program, one.is_drum],
                note.pitch,
                note.velocity,
            )
            for one in file.instruments
            for note in one.notes
        ]
    )


def test_each_group_is_a_named_track_with_its_program_and_channel(tmp_path: Path) -> None:
    write_midi(composition_of(one_note_per_group(), (), 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
    file = mido.MidiFile(tmp_path / "score.mid")
    assert file.type == 1
    assert [track.name for track in file.tracks[1:]] == ["Drums", "Bass", "Guitar", "Piano", "Strings"]
    for track in file.tracks[1:]:
        (program,) = [message for message in track if message.type == "program_change"]
        assert program.program == PROGRAMS[track.name]
        assert {message.channel for message in track if not message.is_meta} == {program.channel}
        assert (program.channel == 9) == (track.name == "Drums")
        assert {message.control for message in track if message.type == "control_change"} == {7, 10}


def test_only_groups_with_notes_have_a_track(tmp_path: Path) -> None:
    notes = notes_of((0, 10, InstrumentGroup.PIANO, 60, 80))
    write_midi(composition_of(notes, (), 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
    assert [track.name for track in mido.MidiFile(tmp_path / "score.mid").tracks] == ["Film", "Piano"]


def test_no_notes_still_make_a_valid_file(tmp_path: Path) -> None:
    write_midi(composition_of(notes_of(), (), 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
    assert len(mido.MidiFile(tmp_path / "score.mid").tracks) == 1
    assert not ScoreTick.from_file(tmp_path / "score.mid").tracks
    with pytest.raises(MidiError, match=r"score\.mid: holds no notes"):
        read_midi(tmp_path / "score.mid")


def test_a_pitch_ends_before_it_is_struck_again(tmp_path: Path) -> None:
    piano = InstrumentGroup.PIANO
    notes = notes_of((0, 100, piano, 60, 80), (100, 100, piano, 60, 90))
    write_midi(composition_of(notes, (), 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
    kinds = [m.type for m in mido.MidiFile(tmp_path / "score.mid").tracks[1] if m.type.startswith("note")]
    assert kinds == ["note_on", "note_off", "note_on", "note_off"]


def test_title_seed_weights_and_generator_are_in_the_file(tmp_path: Path) -> None:
    sheet = cue_sheet_of(8.0, title="Le café “Ω”\n2")
    write_midi(composition_of(notes_of(), (), 1000), sheet, tmp_path / "score.mid")
    conductor = mido.MidiFile(tmp_path / "score.mid", charset="utf-8").tracks[0]
    assert conductor.name == "Le café “Ω” 2"
    texts = [message.text for message in conductor if message.type == "text"]
    assert texts[0].startswith("generator: emsync ")
    assert texts[1:] == ["seed: 7", f"weights: {'ab' * 32}"]


def test_a_title_from_a_name_that_is_not_utf_8_is_written(tmp_path: Path) -> None:
    sheet = cue_sheet_of(8.0, title="caf\udce9")
    write_midi(composition_of(notes_of(), (), 1000), sheet, tmp_path / "score.mid")
    assert mido.MidiFile(tmp_path / "score.mid", charset="utf-8").tracks[0].name == "caf?"


def test_cuts_and_boundaries_are_markers_that_say_what_was_hit(tmp_path: Path) -> None:
    answered = Boundary(12.48, 0.9, "cut")
    late = Boundary(20.0, 1.0, "user", "door slams")
    missed = Boundary(30.0, 0.4, "cut")
    sheet = replace(
        cue_sheet_of(60.0), cuts=(Cut(12.48, 0.9), Cut(14.0, 0.2)), boundaries=(answered, late, missed)
    )
    hits = (Hit(answered, 1560), Hit(late, 2503), Hit(missed, None))
    composition = replace(composition_of(notes_of(), (0, 240, 480), 7500), hits=hits)
    write_midi(composition, sheet, tmp_path / "score.mid")
    markers = read_markers(tmp_path / "score.mid")
    assert [marker.text for marker in markers] == [
        "cut 00:00:12.480",
        "boundary 00:00:12.480 hit +0.000 s",
        "cut 00:00:14.000",
        "boundary 00:00:20.000 hit +0.024 s (door slams)",
        "boundary 00:00:30.000 missed",
    ]
    assert [marker.time_s for marker in markers] == pytest.approx([12.48, 12.48, 14.0, 20.0, 30.0], abs=1e-3)


def test_every_track_ends_with_the_film(tmp_path: Path) -> None:
    composition = composition_of(one_note_per_group(), (0, 240, 480), 1251)
    write_midi(composition, cue_sheet_of(10.011), tmp_path / "score.mid")
    file = mido.MidiFile(tmp_path / "score.mid")
    for track in file.tracks:
        end_s, last = absolute(file, track)[-1]
        assert last.type == "end_of_track"
        assert end_s == pytest.approx(10.011, abs=1e-3)


def test_the_same_composition_gives_the_same_bytes(tmp_path: Path) -> None:
    composition = composition_of(one_note_per_group(), (0, 240, 480), 1000)
    for name in ("a.mid", "b.mid"):
        write_midi(composition, cue_sheet_of(8.0), tmp_path / name)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path: Path) -> None:
    composition, path = composition_of(one_note_per_group(), (), 1000), tmp_path / "score.mid"
    path.write_text("old")
    with pytest.raises(OutputError, match="already exists"):
        write_midi(composition, cue_sheet_of(8.0), path)
    write_midi(composition, cue_sheet_of(8.0), path, overwrite=True)
    assert len(read_midi(path)) == 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, 10, 3, 60, 0)], "velocities"),
        ([(0, 10, 3, 128, 80)], "pitches"),
        ([(0, 0, 3, 60, 80)], "at least one tick"),
        ([(-1, 5, 3, 60, 80)], "start at 0"),
        ([(0, 10, 3, 60, 80), (9, 10, 3, 60, 80)], "before the same pitch ended"),
    ],
)
def test_impossible_notes_are_refused(
    rows: list[tuple[int, int, int, int, int]], message: str, tmp_path: Path
) -> None:
    notes = np.array(rows, NOTE_DTYPE)
    with pytest.raises(ValueError, match=message):
        write_midi(composition_of(notes, (), 1000), cue_sheet_of(8.0), tmp_path / "score.mid")
    assert not list(tmp_path.iterdir())
